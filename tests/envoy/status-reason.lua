--: GET /status/404
function envoy_on_response(handle)
  handle:headers():replace(":status", 404)
  handle:headers():setHttp1ReasonPhrase("Not Here")
end
