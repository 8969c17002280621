--: GET /one?x
--: x-mark: 7
function envoy_on_response(handle)
  local request = handle:requestHeaders()
  handle:headers():add("out-path", request:get(":path"))
  handle:headers():add("out-mark", request:get("x-mark"))
  request:add("x-late", "1")
end
