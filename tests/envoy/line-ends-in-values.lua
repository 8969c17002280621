--: GET /one?next=a%0d%0ax-injected:%201
--? differs: Envoy lets the script set line ends in a value and then refuses the request; here the script's own call is refused
function envoy_on_request(handle)
  local path = handle:headers():get(":path")
  local value = path:match("next=(.*)$"):gsub("%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end)
  handle:headers():add("x-next", value)
end
