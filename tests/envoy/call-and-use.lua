--: GET /one
--: authorization: Bearer abc
function envoy_on_request(handle)
  local headers, body = handle:httpCall("other", {
    [":method"] = "POST",
    [":path"] = "/check?x=1",
    [":authority"] = "auth.example",
    ["X-Token"] = handle:headers():get("authorization"),
    ["x-list"] = { "a", "b" },
  }, "hello world", 5000)
  handle:headers():add("out-status", headers[":status"])
  handle:headers():add("out-origin", headers["x-origin"])
  handle:headers():add("out-body", body)
end
