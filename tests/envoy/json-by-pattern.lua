--: POST /graphql
--: content-type: application/json
--:
--: {"operationName":"Login","query":"mutation Login { login }"}
-- An operation's name as a field, for the routes behind.
function envoy_on_request(handle)
  local body = handle:body()
  if body then
    local text = body:getBytes(0, body:length())
    local name = text:match('"operationName"%s*:%s*"([^"]+)"')
    handle:headers():replace("x-operation", name or "unknown")
  end
end
