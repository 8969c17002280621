--: GET /one
--: x-a: 1
-- A table of all fields, as many scripts make one for a log line or a call.
local function as_table(headers)
  local all = {}
  for k, v in pairs(headers) do all[k] = v end
  return all
end
function envoy_on_request(handle)
  local t = as_table(handle:headers())
  handle:headers():add("out-path", t[":path"])
  handle:headers():add("out-method", t[":method"])
  handle:headers():add("out-a", t["x-a"])
end
