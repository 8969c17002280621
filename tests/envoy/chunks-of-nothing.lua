--: GET /one
-- Without a body the loop ends at once, and the head is still here.
function envoy_on_request(handle)
  local rounds = 0
  for _ in handle:bodyChunks() do rounds = rounds + 1 end
  handle:headers():add("out-rounds", rounds)
end
