--: GET /one
function envoy_on_request(handle)
  local headers, body = handle:httpCall("silent", {
    [":method"] = "GET", [":path"] = "/", [":authority"] = "silent.example",
  }, nil, 100)
  handle:headers():add("out-status", headers[":status"])
  handle:headers():add("out-body", body)
end
