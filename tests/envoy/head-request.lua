--: HEAD /one
function envoy_on_response(handle)
  local body = handle:body()
  handle:headers():add("out-body", body == nil and "nil" or "object")
  handle:headers():add("out-type", handle:headers():get("content-type"))
end
