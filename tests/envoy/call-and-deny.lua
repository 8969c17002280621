--: GET /one
function envoy_on_request(handle)
  local headers = handle:httpCall("other", {
    [":method"] = "GET", [":path"] = "/status/404", [":authority"] = "auth.example",
  }, nil, 5000)
  if headers[":status"] ~= "200" then
    handle:respond({ [":status"] = "403", ["x-auth"] = headers[":status"] }, "denied")
  end
end
