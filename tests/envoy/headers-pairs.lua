--: GET /a/b?c=d
--: Host: shop.example
--: X-One: 1
--: x-two: 2
--: x-two: 3
function envoy_on_request(handle)
  local seen = {}
  for name, value in pairs(handle:headers()) do
    if not name:find("^x%-forwarded") and not name:find("^x%-request%-id") and name ~= "via" then
      seen[#seen + 1] = name .. "=" .. value
    end
  end
  handle:headers():add("out-all", table.concat(seen, ";"))
end
function envoy_on_response(handle)
  local first
  for name, value in pairs(handle:headers()) do
    first = first or (name .. "=" .. value)
  end
  handle:headers():add("out-first", first)
end
