--: GET /one?x=1
--: Host: shop.example
function envoy_on_request(handle)
  local h = handle:headers()
  handle:respond({ [":status"] = "301", ["location"] = "https://" .. h:get(":authority") .. h:get(":path") })
end
