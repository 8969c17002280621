--: GET /app
--: Accept: text/html,application/xhtml+xml
--: ---
--: GET /app
--: Accept: application/json
local PAGE = [[
<html>
  <body>We are back soon.</body>
</html>
]]
function envoy_on_request(handle)
  local accept = handle:headers():get("accept") or ""
  if string.find(accept, "text/html", 1, true) then
    handle:respond({ [":status"] = "503", ["content-type"] = "text/html; charset=utf-8", ["retry-after"] = "120" }, PAGE)
  else
    handle:respond({ [":status"] = "503", ["content-type"] = "application/json" }, '{"maintenance":true}')
  end
end
