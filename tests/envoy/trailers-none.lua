--: POST /one
--:
--: hello
function envoy_on_request(handle)
  local trailers = handle:trailers()
  handle:streamInfo():dynamicMetadata():set("t", "seen", trailers == nil and "nil" or "object")
end
function envoy_on_response(handle)
  handle:headers():add("out-trailers", handle:streamInfo():dynamicMetadata():get("t").seen)
end
