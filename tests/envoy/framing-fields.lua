--: POST /one
--:
--: hello
-- What many scripts do after `setBytes`, and against stale lengths: all of it is the proxy's own business.
function envoy_on_response(handle)
  local body = handle:body()
  body:setBytes("longer than it was before")
  handle:headers():replace("content-length", body:length())
  handle:headers():add("out-length", handle:headers():get("content-length"))
end
