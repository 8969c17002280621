--: POST /one
--: transfer-encoding: chunked
--:
--: hello chunks
--? differs: as in `body-size`, an object lives through a wait
function envoy_on_request(handle)
  handle:headers():add("out-size", handle:body():length())
end
