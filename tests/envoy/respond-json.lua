--: GET /one
function envoy_on_request(handle)
  handle:respond({ [":status"] = 429, ["content-type"] = "application/json", ["Retry-After"] = 30 }, '{"error":"slow down"}')
end
