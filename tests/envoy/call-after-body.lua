--: POST /one
--:
--: payload
-- A body, then a call with it, then the head: the head waits for all of it.
function envoy_on_request(handle)
  local body = handle:body()
  local text = body:getBytes(0, body:length())
  local _, answer = handle:httpCall("other", {
    [":method"] = "POST", [":path"] = "/scan", [":authority"] = "scan.example", ["content-type"] = "text/plain",
  }, text, 2000)
  handle:headers():add("out-scan", answer)
end
