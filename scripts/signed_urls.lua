-- Serves only URLs that were signed with a shared key, until they expire.
--
--   signed:
--     lua: { file: scripts/signed_urls.lua, with: { key: { secret: url-key } } }
--
-- A signed URL is /path?…&expires=SECONDS&signature=DIGITS: `signature` comes last and is the HMAC-SHA-256, in hexadecimal
-- digits, of all that stands before `&signature=` (path and query), `expires` a time in seconds since 1970. In a shell:
--   printf %s '/a.zip?expires=4102444800' | openssl dgst -sha256 -hmac "$KEY"
-- The upstream gets the URL without the signature.
schema = {
  key = "secret",
  skew = { type = "number", default = 0 }, -- seconds that clocks may differ
}

local function refuse(why)
  return answer { status = 403, body = "this link is not valid, or no longer\n", why = why }
end

function request(exchange)
  local signed, digits = string.match(exchange.request.target, "^(.*)&signature=(%x+)$")
  if not signed or not digits then
    return refuse("no signature")
  end
  if not equal(hex.encode(hmac.sha256(options.key, signed)), string.lower(digits)) then
    return refuse("a wrong signature")
  end
  local expires = tonumber(exchange.request:argument("expires"))
  if not expires or time.now() > expires + options.skew then
    return refuse("expired")
  end
  exchange.request.target = signed
end
