--: GET /one
--? wait for: other
function envoy_on_request(handle)
  local headers = handle:httpCall("other", {
    [":method"] = "POST", [":path"] = "/audit", [":authority"] = "audit.example",
  }, "seen", 2000, true)
  handle:headers():add("out-headers", headers == nil and "nil" or "table")
end
