--: GET /one
--: ---
--: GET /two
--? one worker
-- Globals live as long as the worker, and both callbacks share them.
count = 0
local total = 0
function bump(by)
  count = count + by
  total = total + by
  return count
end
function envoy_on_request(handle)
  handle:headers():add("out-count", bump(1))
end
function envoy_on_response(handle)
  handle:headers():add("out-total", total)
end
