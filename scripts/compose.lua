-- One JSON of several upstreams' answers, asked at once.
--
--   account:
--     lua:
--       file: scripts/compose.lua
--       with:
--         parts:
--           user:   { upstream: users,  path: "/users/{id}" }
--           orders: { upstream: orders, path: "/orders", query: "user={id}", optional: true }
--     may: { upstreams: [users, orders] }
--
-- `{id}` is the parameter of the route's path. A part that fails, or does not answer 200 with JSON, is null where it is
-- `optional`; otherwise the whole is a 502, or a 404 where the part says so. The route needs no `to`.
schema = {
  parts = "table", -- name: { upstream, path, query, optional }
  timeout = { type = "number", default = 2 }, -- seconds
  forward = { type = "list", default = { "authorization", "accept-language" } }, -- fields that the parts get too
}

local names = {}

function load()
  for name, part in options.parts do
    if type(part) ~= "table" or not part.upstream or not part.path then
      error(`parts.{name} needs an upstream and a path`)
    end
    table.insert(names, name)
  end
  table.sort(names)
end

local function filled(template, params)
  return template and string.gsub(template, "{([%w_]+)}", function(name)
    return url.encode(url.decode(params[name] or "") or "") -- parameters are as the path has them
  end)
end

function request(exchange)
  local params, headers, asked = exchange.route.params, {}, {}
  for _, name in options.forward do
    headers[name] = exchange.request.headers[name]
  end
  for index, name in names do
    local part = options.parts[name]
    asked[index] = {
      upstream = part.upstream,
      path = (filled(part.path, params)),
      query = part.query and (filled(part.query, params)),
      headers = headers,
      timeout = options.timeout,
    }
  end
  local whole = {}
  for index, fetched in exchange:fetch_all(asked) do
    local name = names[index]
    local value = fetched and fetched.status == 200 and fetched:json()
    if value then
      whole[name] = value
    elseif options.parts[name].optional then
      whole[name] = json.null
    else
      local missing = fetched and fetched.status == 404
      return answer { status = if missing then 404 else 502, why = `the part {name} is not to be had` }
    end
  end
  return answer(200, { ["content-type"] = "application/json" }, json.encode(whole))
end
