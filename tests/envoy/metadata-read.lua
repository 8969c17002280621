--: GET /one
function envoy_on_request(handle)
  local meta = handle:metadata()
  handle:headers():add("out-tier", meta:get("tier"))
  handle:headers():add("out-limit", meta:get("limit"))
  handle:headers():add("out-nested", meta:get("nested")["a"])
  if meta:get("nope") == nil then handle:headers():add("out-nope", "nil") end
  local names = {}
  for name in pairs(meta) do names[#names + 1] = name end
  table.sort(names)
  handle:headers():add("out-names", table.concat(names, ","))
  handle:headers():add("out-route", handle:route():metadata():get("tier"))
  handle:headers():add("out-context", handle:filterContext():get("tier"))
end
