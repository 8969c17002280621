--: GET /status/500
function envoy_on_response(handle)
  if handle:headers():get(":status") == "500" then
    handle:body(true):setBytes("<html><b>Sorry</b></html>")
    handle:headers():replace("content-type", "text/html")
  end
end
