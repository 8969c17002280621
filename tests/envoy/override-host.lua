--: GET /one
function envoy_on_request(handle)
  handle:setUpstreamOverrideHost("127.0.0.1:1", true)
  local ok, why = pcall(function() handle:setUpstreamOverrideHost("not an address") end)
  handle:headers():add("out-ok", tostring(ok))
end
