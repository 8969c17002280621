--: GET /coded
-- Bodies are what was sent, coding and all.
function envoy_on_response(handle)
  local body = handle:body()
  handle:headers():add("out-length", body:length())
  handle:headers():add("out-magic", string.format("%02x%02x", body:getBytes(0, 2):byte(1, 2)))
end
