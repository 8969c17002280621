--: GET /none
function envoy_on_response(handle)
  local body = handle:body()
  handle:headers():add("out-body", body == nil and "nil" or "object")
end
