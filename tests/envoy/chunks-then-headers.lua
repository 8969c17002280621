--: POST /one
--:
--: hello
-- After the first chunk the head has left: an error, which changes nothing that has gone.
function envoy_on_request(handle)
  handle:headers():add("x-before", "1")
  for chunk in handle:bodyChunks() do
    local _ = chunk:length()
  end
  handle:headers():add("x-after", "2")
end
