--: POST /one
--: transfer-encoding: chunked
--:
--: hello chunks
-- A chunk that is kept over the next wait is dead.
function envoy_on_request(handle)
  local kept, dead
  for chunk in handle:bodyChunks() do
    if kept and dead == nil then
      dead = not pcall(function() return kept:length() end)
    end
    kept = kept or chunk
  end
  handle:streamInfo():dynamicMetadata():set("t", "dead", tostring(dead))
end
function envoy_on_response(handle)
  handle:headers():add("out-dead", handle:streamInfo():dynamicMetadata():get("t").dead)
end
