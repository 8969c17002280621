-- Keeps a client at one endpoint while that has room, and tries again elsewhere when it fails.
--
--   steady:
--     lua: { file: scripts/balance_and_retry.lua, with: { key: x-user, crowded: 1.25 } }
--   …
--   upstreams: { shop: { endpoints: […], use: [steady], balance: { policy: steady } } }
--
-- The key is a field of the request; where it is missing, the client's address. An endpoint with more than `crowded` times
-- the mean in flight is passed over for the least busy one. A response with one of `statuses` is tried again at another
-- endpoint, `attempts` in all; whether a request may be sent twice at all is still Gatewright's rule.
schema = {
  key = { type = "string", default = "x-user" },
  crowded = { type = "number", default = 1.25 },
  attempts = { type = "number", default = 3 },
  statuses = { type = "list", default = { 502, 503, 504 } },
}

function balance(exchange, endpoints)
  exchange.mine.attempts = (exchange.mine.attempts or 0) + 1
  local one = endpoints:hash(exchange.request.headers[options.key] or exchange.client.address)
  if one and one.in_flight > options.crowded * math.max(endpoints.mean_in_flight, 1) then
    return endpoints:least_request()
  end
  return one
end

local function again(exchange)
  return (exchange.mine.attempts or 1) < options.attempts
end

function upstream_failure(exchange)
  return if again(exchange) then retry() else fail()
end

function upstream_response(exchange)
  if table.find(options.statuses, exchange.response.status) and again(exchange) then
    return retry()
  end
end
