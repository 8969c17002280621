-- A maintenance page for everybody but those who are let through.
--
--   maintenance:
--     lua: { file: scripts/maintenance.lua, with: { allow: [10.0.0.0/8], retry_after: 600 } }
--
-- Put it into `use:` of the file, a listener or a route. `gatewright policy on|off maintenance` turns it at once.
schema = {
  page = {
    type = "string",
    default = "<!doctype html><title>Back soon</title><h1>Back soon</h1><p>We are working on it.</p>\n",
  },
  allow = { type = "list", default = {} }, -- addresses and networks that get through
  open = { type = "list", default = {} }, -- paths that stay open, such as a health check
  retry_after = { type = "number", default = 300 }, -- seconds
}

local allowed, open = ip.set({}), {}

function load()
  allowed = ip.set(options.allow)
  for _, path in options.open do
    open[path] = true
  end
end

function request(exchange)
  if allowed:contains(exchange.client.address) or open[exchange.request.path] then
    return nil
  end
  return answer {
    status = 503,
    headers = {
      ["content-type"] = "text/html; charset=utf-8",
      ["cache-control"] = "no-store",
      ["retry-after"] = tostring(options.retry_after),
    },
    body = options.page,
    why = "maintenance",
  }
end
