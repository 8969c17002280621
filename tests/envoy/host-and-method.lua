--: POST /item
--: Host: shop.example
--:
--: body
function envoy_on_request(handle)
  local h = handle:headers()
  h:add("out-authority", h:get(":authority"))
  h:add("out-host", h:get("host"))
  h:add("out-scheme", h:get(":scheme"))
  h:add("out-method", h:get(":method"))
  h:replace(":authority", "other.example")
  h:replace(":method", "PUT")
end
