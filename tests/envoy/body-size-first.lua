--: POST /one
--:
--: hello world
-- The body first, then the headers: an object from before the wait is dead in Envoy.
function envoy_on_request(handle)
  local size = handle:body():length()
  handle:headers():add("out-size", size)
end
function envoy_on_response(handle)
  local body = handle:body()
  handle:headers():add("out-size", body:length())
end
