--: POST /one
--:
--: hello world
--? differs: the headers object is obtained before a real wait, after which it is dead in Envoy; here it lives
function envoy_on_request(handle)
  handle:headers():add("request_body_size", handle:body():length())
end
function envoy_on_response(handle)
  handle:headers():add("response_body_size", handle:body():length())
  handle:headers():remove("x-origin")
end
