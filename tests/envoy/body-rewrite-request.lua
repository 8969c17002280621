--: POST /one
--: content-type: application/json
--:
--: {"user":"ann","password":"secret"}
function envoy_on_request(handle)
  local body = handle:body()
  local text = body:getBytes(0, body:length())
  local length = body:setBytes((text:gsub('"password":"[^"]*"', '"password":"***"')))
  handle:headers():add("out-length", length)
  handle:headers():replace("content-length", length)
end
