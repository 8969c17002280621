--: GET /one
function envoy_on_request(handle)
  handle:respond({ [":status"] = "200", ["set-cookie"] = { "a=1; Path=/", "b=2; Path=/" } }, "hello")
end
