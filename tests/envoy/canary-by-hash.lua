--: GET /one
--: x-user: ann
--: ---
--: GET /one
--: x-user: bob
--: ---
--: GET /one
-- A share of users by a hash of their name, told to the routes by a field.
local function hash(text)
  local h = 5381
  for i = 1, #text do h = bit.band(h * 33 + text:byte(i), 0xffff) end
  return h
end
function envoy_on_request(handle)
  local user = handle:headers():get("x-user")
  if user then
    handle:headers():add("x-bucket", hash(user) % 100)
  else
    handle:headers():add("x-bucket", "none")
  end
end
