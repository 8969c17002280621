--: GET /item?utm_source=x&id=7&utm_medium=y
function envoy_on_request(handle)
  local path = handle:headers():get(":path")
  local base, query = path:match("^([^?]*)%?(.*)$")
  local kept = {}
  for pair in query:gmatch("[^&]+") do
    if not pair:match("^utm_") then kept[#kept + 1] = pair end
  end
  handle:headers():replace(":path", base .. "?" .. table.concat(kept, "&"))
end
