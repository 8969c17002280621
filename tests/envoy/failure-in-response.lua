--: GET /one
function envoy_on_response(handle)
  handle:headers():add("x-before", "kept")
  error("broken on purpose")
end
