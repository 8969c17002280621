--: GET /one
--: x-old: 1
--: x-drop: a
--: x-drop: b
--: x-twice: a
--: x-twice: b
function envoy_on_request(handle)
  local headers = handle:headers()
  headers:replace("X-Old", "new")
  headers:replace("x-absent", "made")
  headers:remove("x-drop")
  headers:remove("x-never-there")
  headers:replace("x-twice", "once")
end
function envoy_on_response(handle)
  handle:headers():replace("x-origin", "hidden")
  handle:headers():remove("x-powered-by")
end
