-- An A/B split that remembers by a cookie which side a client is on.
--
--   ab:
--     lua: { file: scripts/sticky_split.lua, with: { shares: { shop: 90, shop-next: 10 } } }
--     may: { upstreams: [shop, shop-next] }
--
-- A cookie that names none of the upstreams is as good as none: the client is dealt a side anew.
schema = {
  shares = "table", -- upstream: weight
  cookie = { type = "string", default = "side" },
  max_age = { type = "number", default = 30 * 86400 }, -- seconds
  secure = { type = "boolean", default = false }, -- send the cookie over https alone
}

local names, total = {}, 0

function load()
  for name, weight in options.shares do
    if type(weight) ~= "number" or weight < 0 then
      error(`the share of {name} is a number, 0 or more`)
    end
    table.insert(names, name)
    total += weight
  end
  if total <= 0 then
    error("shares: no upstream has a share")
  end
  table.sort(names)
end

local function deal()
  local left = random.number() * total
  for _, name in names do
    left -= options.shares[name]
    if left < 0 then
      return name
    end
  end
  return names[#names]
end

function request(exchange)
  local side = exchange.request:cookie(options.cookie)
  if not side or not options.shares[side] then
    side = deal()
    exchange.mine.new = side
  end
  exchange.upstream = side
end

function response(exchange)
  local new = exchange.mine.new
  if new then
    local how = { path = "/", max_age = options.max_age, secure = options.secure, http_only = true, same_site = "lax" }
    exchange.response.headers:add("set-cookie", cookie.set(options.cookie, new, how))
  end
end
