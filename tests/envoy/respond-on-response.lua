--: GET /one
function envoy_on_response(handle)
  local ok, why = pcall(function() handle:respond({ [":status"] = "503" }, "x") end)
  handle:headers():add("out-ok", tostring(ok))
  handle:headers():add("out-why", why:match("respond not.*$"))
end
