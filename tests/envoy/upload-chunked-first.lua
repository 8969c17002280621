--: POST /one
--: transfer-encoding: chunked
--:
--: hello chunks
function envoy_on_request(handle)
  local body = handle:body()
  handle:headers():add("out-text", body:getBytes(0, body:length()))
end
