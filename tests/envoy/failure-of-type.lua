--: GET /one
-- The commonest mistake: nil joined to a text.
function envoy_on_request(handle)
  handle:headers():add("x-before", "kept")
  handle:headers():add("x-after", "value: " .. handle:headers():get("x-absent"))
end
