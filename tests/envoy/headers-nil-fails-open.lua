--: GET /one
-- nil is an error; what was changed before it stays, and the response is still seen.
function envoy_on_request(handle)
  handle:headers():add("x-before", "kept")
  handle:headers():add("x-nil", nil)
  handle:headers():add("x-after", "never")
end
function envoy_on_response(handle)
  handle:headers():add("x-response", "seen")
end
