-- Keeps internal fields inside: clients cannot send them, responses do not tell them, and what browsers should be told is
-- there unless the upstream has said it itself.
--
--   hygiene:
--     lua: { file: scripts/header_hygiene.lua, with: { from_client: ["x-internal-*", x-user] } }
--
-- A `*` at the end of a name stands for anything.
schema = {
  from_client = { type = "list", default = { "x-internal-*" } },
  from_upstream = {
    type = "list",
    default = { "server", "via", "x-powered-by", "x-aspnet-version", "x-runtime", "x-internal-*" },
  },
  add = {
    type = "table",
    default = {
      ["x-content-type-options"] = "nosniff",
      ["x-frame-options"] = "SAMEORIGIN",
      ["referrer-policy"] = "strict-origin-when-cross-origin",
    },
  },
  hsts = { type = "string", default = "max-age=31536000" }, -- over https alone; "": none
}

local function read(list)
  local exact, prefixes = {}, {}
  for _, name in list do
    local prefix = string.match(name, "^(.*)%*$")
    if prefix then
      table.insert(prefixes, string.lower(prefix))
    else
      exact[string.lower(name)] = true
    end
  end
  return { exact = exact, prefixes = prefixes }
end

local inward, outward = read({}), read({})

function load()
  inward, outward = read(options.from_client), read(options.from_upstream)
end

local function clean(headers, unwanted)
  for _, name in headers:names() do
    local gone = unwanted.exact[name]
    for _, prefix in unwanted.prefixes do
      gone = gone or text.starts_with(name, prefix)
    end
    if gone then
      headers[name] = nil
    end
  end
end

function request(exchange)
  clean(exchange.request.headers, inward)
end

function response(exchange)
  local headers = exchange.response.headers
  clean(headers, outward)
  for name, value in options.add do
    headers[name] = headers[name] or value
  end
  if exchange.client.tls and options.hsts ~= "" then
    headers["strict-transport-security"] = headers["strict-transport-security"] or options.hsts
  end
end
