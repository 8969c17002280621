--: GET /one
--: authorization: abc
function envoy_on_request(handle)
  local meta = handle:streamInfo():dynamicMetadata()
  meta:set("envoy.filters.http.lua", "request.info", { auth = handle:headers():get("authorization"), list = { "a", "b" } })
  meta:set("app", "count", 3)
  meta:set("app", "flag", true)
  if meta:get("nowhere") == nil then handle:headers():add("out-nowhere", "nil") end
end
function envoy_on_response(handle)
  local meta = handle:streamInfo():dynamicMetadata()
  local info = meta:get("envoy.filters.http.lua")["request.info"]
  handle:headers():add("out-auth", info.auth)
  handle:headers():add("out-second", info.list[2])
  handle:headers():add("out-count", meta:get("app").count)
  handle:headers():add("out-flag", tostring(meta:get("app").flag))
  local names = {}
  for name, value in pairs(meta) do names[#names + 1] = name .. ":" .. type(value) end
  table.sort(names)
  handle:headers():add("out-names", table.concat(names, ","))
end
