--: GET /one
--: Authorization: Basic dXNlcjpwYXNz
--: ---
--: GET /one
--: Authorization: Basic d3Jvbmc6d3Jvbmc=
--: ---
--: GET /one
-- Basic authentication by hand, decoder included, as it is passed around.
local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local function decode(data)
  data = string.gsub(data, "[^" .. letters .. "=]", "")
  return (data:gsub(".", function(x)
    if x == "=" then return "" end
    local r, f = "", (letters:find(x, 1, true) - 1)
    for i = 6, 1, -1 do r = r .. (f % 2 ^ i - f % 2 ^ (i - 1) > 0 and "1" or "0") end
    return r
  end):gsub("%d%d%d?%d?%d?%d?%d?%d?", function(x)
    if #x ~= 8 then return "" end
    local c = 0
    for i = 1, 8 do c = c + (x:sub(i, i) == "1" and 2 ^ (8 - i) or 0) end
    return string.char(c)
  end))
end
function envoy_on_request(handle)
  local given = handle:headers():get("authorization")
  local user = given and decode(given:match("Basic%s+(.+)") or "")
  if user ~= "user:pass" then
    handle:respond({ [":status"] = "401", ["www-authenticate"] = 'Basic realm="x"' }, "Unauthorized")
    return
  end
  handle:headers():replace("x-user", user:match("^[^:]+"))
  handle:headers():remove("authorization")
end
