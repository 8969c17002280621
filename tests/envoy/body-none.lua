--: GET /one
--: ---
--: POST /one
--: content-length: 0
function envoy_on_request(handle)
  local body = handle:body()
  handle:headers():add("out-body", body == nil and "nil" or "object")
  local always = handle:body(true)
  handle:headers():add("out-always", always:length())
end
