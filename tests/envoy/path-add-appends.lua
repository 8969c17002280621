--: GET /item
function envoy_on_request(handle)
  handle:headers():add(":path", "/more")
end
