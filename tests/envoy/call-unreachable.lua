--: GET /one
function envoy_on_request(handle)
  local headers, body = handle:httpCall("absent", {
    [":method"] = "GET", [":path"] = "/", [":authority"] = "absent.example",
  }, "", 2000)
  handle:headers():add("out-status", headers[":status"])
  handle:headers():add("out-body", body and "some" or "none")
end
