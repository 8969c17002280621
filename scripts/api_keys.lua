-- Lets in who brings a known API key, and tells the upstream who it is.
--
--   api-keys:
--     lua:
--       file: scripts/api_keys.lua
--       with: { keys: { 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b: ada } }
--
-- Keys are kept as their SHA-256 in hexadecimal digits (`printf %s KEY | sha256sum`), so the file holds none.
schema = {
  keys = { type = "table", default = {} }, -- SHA-256 of the key: name
  header = { type = "string", default = "x-api-key" },
  to = { type = "string", default = "x-user" }, -- the field by which the upstream learns the name
}

function load()
  for digits in options.keys do
    if not string.match(digits, "^[%da-f]+$") or #digits ~= 64 then
      error(`keys: "{digits}" is no SHA-256 in hexadecimal digits`)
    end
  end
end

function request(exchange)
  local headers = exchange.request.headers
  local key = headers[options.header]
  headers[options.to] = nil -- only we say who it is
  if not key then
    return answer(401, { ["www-authenticate"] = "ApiKey" }, "an API key is missing\n")
  end
  local name = options.keys[hex.encode(hash.sha256(key))]
  if not name then
    return answer { status = 403, body = "this API key is not known\n", why = "an unknown API key" }
  end
  headers[options.header] = nil
  headers[options.to] = name
  exchange.identity = { subject = name }
end
