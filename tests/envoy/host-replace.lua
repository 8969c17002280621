--: GET /item
--: Host: shop.example
function envoy_on_request(handle)
  handle:headers():replace("host", "inner.example")
end
