--: POST /one
--: transfer-encoding: chunked
--:
--: a b a b a b
function envoy_on_request(handle)
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    if length > 0 then chunk:setBytes((chunk:getBytes(0, length):gsub("a", "aaa"))) end
  end
end
