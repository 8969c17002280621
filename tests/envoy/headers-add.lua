--: GET /one
-- The first thing everybody tries: a field more, each way.
function envoy_on_request(request_handle)
  request_handle:headers():add("x-request-seen", "yes")
end
function envoy_on_response(response_handle)
  response_handle:headers():add("x-response-seen", "yes")
end
