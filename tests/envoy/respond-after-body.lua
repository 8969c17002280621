--: POST /one
--:
--: <script>
--: ---
--: POST /one
--:
--: fine
-- A body that is not wanted.
function envoy_on_request(handle)
  local body = handle:body()
  local text = tostring(body:getBytes(0, body:length()))
  if text:find("<script", 1, true) then
    handle:respond({ [":status"] = "400", ["content-type"] = "application/problem+json" }, '{"title":"not that"}')
  end
end
