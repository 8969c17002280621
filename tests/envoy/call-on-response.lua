--: GET /one
function envoy_on_response(handle)
  local headers, body = handle:httpCall("other", {
    [":method"] = "GET", [":path"] = "/extra", [":authority"] = "x.example",
  }, nil, 2000)
  handle:headers():add("out-extra", body)
end
