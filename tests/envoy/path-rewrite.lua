--: GET /old/item?id=7
function envoy_on_request(handle)
  local path = handle:headers():get(":path")
  handle:headers():replace(":path", (path:gsub("^/old/", "/new/")))
  handle:headers():add("x-original-path", path)
end
