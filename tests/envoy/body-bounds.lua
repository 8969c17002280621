--: POST /one
--:
--: hello
function envoy_on_request(handle)
  local body = handle:body()
  local ok, why = pcall(function() return body:getBytes(3, 9) end)
  handle:headers():add("out-ok", tostring(ok))
  handle:headers():add("out-why", (why:gsub("^.*index/length", "index/length")))
  handle:headers():add("out-middle", body:getBytes(1, 3))
end
