--: GET /one
--: Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJyb2xlIjoiYWRtaW4ifQ.x
--: ---
--: GET /one
--: Authorization: Bearer broken
-- Claims for the origin, out of a token that somebody before has verified.
function envoy_on_request(handle)
  local token = (handle:headers():get("authorization") or ""):match("^Bearer%s+(.+)$")
  local payload = token and token:match("^[^.]+%.([^.]+)%.")
  if not payload then
    handle:respond({ [":status"] = "401" }, "no token")
  end
  payload = payload:gsub("-", "+"):gsub("_", "/")
  payload = payload .. string.rep("=", (4 - #payload % 4) % 4)
  local claims = handle:base64Decode(payload)
  for _, name in ipairs({ "sub", "role" }) do
    handle:headers():replace("x-claim-" .. name, claims:match('"' .. name .. '":"([^"]*)"'))
  end
end
