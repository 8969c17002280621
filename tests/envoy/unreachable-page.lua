--: GET /absent/one
-- What the proxy itself says passes the script too.
function envoy_on_response(handle)
  local status = tonumber(handle:headers():get(":status"))
  if status >= 500 then
    handle:body(true):setBytes('{"error":"unavailable"}')
    handle:headers():replace(":status", "503")
    handle:headers():replace("content-type", "application/json")
    handle:headers():remove("cache-control")
  end
end
