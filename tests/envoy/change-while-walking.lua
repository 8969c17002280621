--: GET /one
--: x-a: 1
--: x-b: 2
--? differs: in Envoy nothing can be changed while a loop over the headers lives, nor after a `break`; here the loop walks a copy
function envoy_on_request(handle)
  for name, value in pairs(handle:headers()) do
    if name == "x-a" then
      handle:headers():add("out-found", value)
      break
    end
  end
  handle:headers():add("out-after", "1")
end
