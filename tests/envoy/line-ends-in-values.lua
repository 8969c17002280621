--: GET /one?next=a%0d%0ax-injected:%201
--? differs: Envoy writes line ends in a value as they are, which makes two fields of one; here they are refused, and the script ends
function envoy_on_request(handle)
  local path = handle:headers():get(":path")
  local value = path:match("next=(.*)$"):gsub("%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end)
  handle:headers():add("x-next", value)
end
