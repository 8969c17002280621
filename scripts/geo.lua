-- Routes by where a client's address belongs.
--
--   geo:
--     lua:
--       file: scripts/geo.lua
--       with:
--         networks: { 192.0.2.0/24: eu, "2001:db8::/32": us }
--         upstreams: { eu: shop-eu, us: shop-us }
--     may: { upstreams: [shop-eu, shop-us] }
--
-- The narrowest network counts. Who belongs nowhere stays on the route's own `to`. A long list may stand in a file of its
-- own, as YAML or JSON. Regions in `refused` get 451.
schema = {
  networks = "table", -- network or address: region
  upstreams = { type = "table", default = {} }, -- region: upstream
  refused = { type = "list", default = {} }, -- regions
  header = { type = "string", default = "x-region" }, -- tells the upstream the region
}

local set, regions = ip.set({}), {}

function load()
  local names = {}
  for name, region in options.networks do
    table.insert(names, name)
    -- As the set writes it: 192.0.2.1 is 192.0.2.1/32 there.
    local address = text.split(name, "/")[1]
    regions[ip.set({ name }):find(address) or name] = region
  end
  set = ip.set(names)
end

function request(exchange)
  local network = set:find(exchange.client.address)
  local region = network and regions[network]
  exchange.request.headers[options.header] = region
  if not region then
    return nil
  end
  if table.find(options.refused, region) then
    return answer { status = 451, why = `the region {region}` }
  end
  if options.upstreams[region] then
    exchange.upstream = options.upstreams[region]
  end
end
