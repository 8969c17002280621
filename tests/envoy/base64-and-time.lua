--: GET /one
function envoy_on_request(handle)
  local h = handle:headers()
  h:add("out-escaped", handle:base64Escape("\0\1user:pass"))
  h:add("out-decoded", handle:base64Decode("dXNlcjpwYXNz"))
  if handle:base64Decode("!!") == nil then h:add("out-bad", "nil") end
  h:add("out-time", type(handle:timestamp()))
  h:add("out-milli", #tostring(handle:timestampString(EnvoyTimestampResolution.MILLISECOND)))
  h:add("out-micro", #handle:timestampString(EnvoyTimestampResolution.MICROSECOND))
  local ok, why = pcall(function() return handle:timestamp(EnvoyTimestampResolution.MICROSECOND) end)
  h:add("out-why", why:match("timestamp format.*$"))
end
