--: GET /one
--? differs: what is not there is no value at all in Envoy, so that handing it on is an error; here it is nil
function envoy_on_request(handle)
  local ok = pcall(function() return tostring(handle:headers():get("x-missing")) end)
  handle:headers():add("out-ok", tostring(ok))
end
