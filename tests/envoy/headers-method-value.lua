--: GET /one
-- Methods taken off the object, as functions.
function envoy_on_request(handle)
  local headers = handle:headers()
  local get, add = headers.get, headers.add
  add(headers, "out-path", get(headers, ":path"))
  if handle.noSuchThing == nil then add(headers, "out-absent", "nil") end
end
