--: GET /one
function envoy_on_request(handle)
  local ok, why = pcall(function()
    return handle:httpCall("nowhere", { [":method"] = "GET", [":path"] = "/", [":authority"] = "x" }, nil, 100)
  end)
  handle:headers():add("out-ok", tostring(ok))
  handle:headers():add("out-why", why:match("http call cluster.*$"))
end
