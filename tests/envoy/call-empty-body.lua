--: GET /one
function envoy_on_request(handle)
  local headers, body = handle:httpCall("other", {
    [":method"] = "GET", [":path"] = "/empty", [":authority"] = "x.example",
  }, nil, 2000)
  handle:headers():add("out-status", headers[":status"])
  handle:headers():add("out-body", body == nil and "nil" or "text")
end
