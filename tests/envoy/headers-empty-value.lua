--: GET /one
--: x-empty:
function envoy_on_request(handle)
  handle:headers():add("out-was", "<" .. handle:headers():get("x-empty") .. ">")
  handle:headers():add("out-empty", "")
end
