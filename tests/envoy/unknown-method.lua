--: GET /one
function envoy_on_request(handle)
  local ok = pcall(function() handle:noSuchMethod() end)
  handle:headers():add("out-ok", tostring(ok))
end
