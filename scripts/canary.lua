-- Leads a part of the exchanges to another upstream: those who ask for it by header or cookie, and a percentage.
--
--   canary:
--     lua: { file: scripts/canary.lua, with: { to: shop-next, percent: 5 } }
--     may: { upstreams: [shop-next] }
--
-- The header goes before the cookie, the cookie before the percentage. Of both, `always` leads there and `never` away; any
-- other value says nothing. The percentage is one of client addresses: a client stays where it is, and raising the
-- percentage only adds clients.
schema = {
  to = "string", -- the upstream; one of the route's `to`, or of `may: { upstreams }`
  header = { type = "string", default = "x-canary" },
  cookie = { type = "string", default = "canary" },
  percent = { type = "number", default = 0 },
  seed = { type = "number", default = 0 }, -- another number picks other clients
}

local asked = { always = true, never = false }

function load()
  if options.percent < 0 or options.percent > 100 then
    error(`percent is a number from 0 to 100, not {options.percent}`)
  end
end

function request(exchange)
  local request = exchange.request
  local wanted = asked[request.headers[options.header] or ""]
  if wanted == nil then
    wanted = asked[request:cookie(options.cookie) or ""]
  end
  if wanted == nil then
    wanted = hash.share(exchange.client.address, options.seed) < options.percent / 100
  end
  if wanted then
    exchange.upstream = options.to
  end
end
