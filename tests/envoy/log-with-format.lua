--: GET /one?a=1
--: User-Agent: tests
function envoy_on_request(handle)
  local headers = handle:headers()
  local line = string.format("%s %s agent=%s missing=%s", headers:get(":method"), headers:get(":path"), headers:get("user-agent"), (headers:get("x-missing")))
  handle:logInfo(line)
  headers:add("out-line", line)
end
