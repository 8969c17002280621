--: POST /one
--: transfer-encoding: chunked
--:
--: hello chunks
-- What happens in the loop does not change what passes.
function envoy_on_request(handle)
  local bytes = 0
  for chunk in handle:bodyChunks() do
    bytes = bytes + chunk:length()
    handle:logInfo("chunk of " .. chunk:length())
  end
  handle:streamInfo():dynamicMetadata():set("sizes", "request", bytes)
end
function envoy_on_response(handle)
  local sizes = handle:streamInfo():dynamicMetadata():get("sizes")
  handle:headers():add("out-request-bytes", sizes["request"])
end
