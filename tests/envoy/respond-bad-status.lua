--: GET /one
function envoy_on_request(handle)
  local ok, why = pcall(function() handle:respond({ [":status"] = "99" }, "x") end)
  handle:headers():add("out-ok", tostring(ok))
  handle:headers():add("out-why", why:match("[^:]*:status.*$"))
end
