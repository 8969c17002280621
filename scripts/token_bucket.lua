-- So many requests a second for each client, counted for all workers together and over reloads.
--
--   quota:
--     lua: { file: scripts/token_bucket.lua, with: { rate: 10, burst: 50 } }
--
-- A client may send `burst` at once and `rate` a second from then on; beyond that it gets 429 and is told when to come again.
-- Clients are told apart by `header` (an API key, a user that a policy before has checked), those without by address. The
-- counts are in the policy's own dictionary, or in `dictionary: NAME` (with `may: { dictionaries: [NAME] }`), where several
-- policies can share them.
schema = {
  rate = "number", -- a second
  burst = "number",
  header = "string?",
  dictionary = "string?",
}

local buckets: Dictionary

function load()
  if options.rate <= 0 or options.burst < 1 then
    error("rate is more than 0, and burst 1 or more")
  end
  buckets = dictionary(options.dictionary)
end

function request(exchange)
  local name = options.header and exchange.request.headers[options.header]
  -- Hashed, so that a long name fits; marked, so that nobody has a name that is another's address.
  local key = if name then "name " .. hash.sha256(name) else "address " .. exchange.client.address
  local allowed, left, again = buckets:take_token(key, { rate = options.rate, burst = options.burst })
  if allowed then
    exchange.mine.left = left
    return nil
  end
  return answer {
    status = 429,
    headers = { ["retry-after"] = tostring(math.ceil(again or 1)) },
    why = "its bucket is empty",
  }
end

function response(exchange)
  local left = exchange.mine.left
  if left then
    exchange.response.headers["ratelimit-remaining"] = tostring(math.floor(left))
  end
end
