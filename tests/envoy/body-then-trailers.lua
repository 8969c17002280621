--: POST /one
--:
--: hello
--? differs: behind `body()` Envoy knows the trailers while the head still waits; here `trailers()` lets the head go, which cannot be changed after it
function envoy_on_request(handle)
  local body = handle:body()
  handle:headers():add("x-size", body:length())
  local trailers = handle:trailers()
  handle:headers():add("x-trailers", trailers == nil and "none" or "some")
end
