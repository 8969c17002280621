--: HEAD /one
--: ---
--: GET /none
function envoy_on_response(handle)
  local rounds = 0
  for _ in handle:bodyChunks() do rounds = rounds + 1 end
  handle:headers():add("out-rounds", rounds)
end
