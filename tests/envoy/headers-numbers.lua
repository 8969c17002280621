--: GET /one
function envoy_on_request(handle)
  handle:headers():add("out-int", 42)
  handle:headers():add("out-float", 1.5)
  handle:headers():add("out-third", 1 / 3)
  handle:headers():add("out-large", 1e20)
  handle:headers():replace("out-length", #"hello")
end
