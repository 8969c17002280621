-- Leads every tenant to an upstream of its own: by a field of the request, or by the first part of the host.
--
--   tenants:
--     lua:
--       file: scripts/tenants.lua
--       with: { tenants: { acme: shop-acme, globex: shop-globex }, suffix: .shop.example }
--     may: { upstreams: [shop-acme, shop-globex] }
--
-- With `header` that field names the tenant, and the host is not looked at. Use it only where clients cannot make the field
-- up. Whoever is no tenant gets `unknown` as status, or goes to the upstream `otherwise`.
schema = {
  tenants = "table", -- tenant: upstream
  suffix = { type = "string", default = "" }, -- what follows the tenant in the host
  header = "string?",
  otherwise = "string?",
  unknown = { type = "number", default = 404 },
  tell = { type = "string", default = "x-tenant" }, -- tells the upstream the tenant
}

local function tenant_of(request)
  if options.header then
    return request.headers[options.header]
  end
  local host = string.match(string.lower(request.host or ""), "^[^:]*") or ""
  if options.suffix == "" then
    return string.match(host, "^[^.]+")
  end
  return text.ends_with(host, options.suffix) and string.sub(host, 1, #host - #options.suffix) or nil
end

function request(exchange)
  local tenant = tenant_of(exchange.request)
  local upstream = tenant and options.tenants[tenant]
  exchange.request.headers[options.tell] = if upstream then tenant else nil
  upstream = upstream or options.otherwise
  if not upstream then
    return answer { status = options.unknown, why = "no tenant" }
  end
  exchange.upstream = upstream
end
