--: GET /one
function envoy_on_response(handle)
  handle:headers():add("x-shout", "1")
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    if length > 0 then
      chunk:setBytes(chunk:getBytes(0, length):upper())
    end
  end
end
