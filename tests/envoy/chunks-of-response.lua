--: GET /chunked
function envoy_on_response(handle)
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    if length > 0 then chunk:setBytes((chunk:getBytes(0, length):gsub("a", "[a]"))) end
  end
end
