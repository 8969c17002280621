--: GET /status/404
function envoy_on_response(handle)
  handle:headers():add("out-was", handle:headers():get(":status"))
  handle:headers():replace(":status", "410")
end
