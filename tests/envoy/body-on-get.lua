--: GET /one
function envoy_on_request(handle)
  handle:body(true):setBytes("made here")
  handle:headers():replace(":method", "POST")
end
