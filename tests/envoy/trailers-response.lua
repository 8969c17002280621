--: GET /trailers
function envoy_on_response(handle)
  for _ in handle:bodyChunks() do end
  local trailers = handle:trailers()
  if trailers then
    trailers:add("x-added", trailers:get("x-sum"))
    trailers:remove("x-gone")
  end
end
