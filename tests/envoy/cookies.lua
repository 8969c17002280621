--: GET /cookies
--: Cookie: theme=dark; session=abc123; lang=en
function envoy_on_request(handle)
  local cookie = handle:headers():get("cookie") or ""
  handle:headers():add("x-session", cookie:match("session=([^;]+)"))
end
function envoy_on_response(handle)
  local h = handle:headers()
  h:add("out-count", h:getNumValues("set-cookie"))
  h:add("out-first", h:getAtIndex("set-cookie", 0))
  h:add("set-cookie", "extra=1; HttpOnly")
end
