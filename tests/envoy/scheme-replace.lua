--: GET /one
function envoy_on_request(handle)
  handle:headers():replace(":scheme", "https")
  handle:headers():add("x-after", "1")
end
