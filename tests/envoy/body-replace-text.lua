--: GET /one
function envoy_on_response(handle)
  local body = handle:body()
  local text = body:getBytes(0, body:length())
  body:setBytes((text:gsub("origin", "proxy")))
  handle:headers():add("out-part", body:getBytes(0, 5))
end
