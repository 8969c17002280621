-- Replaces texts in the bodies of responses: an old host in links, a word that must not go out.
--
--   rewrite:
--     lua:
--       file: scripts/rewrite_body.lua
--       with: { replace: { "http://old.example": "https://new.example" } }
--     limits: { body: 4MiB }
--
-- Only `types` are touched; length, coding and validators are mended. A body that says that it is longer than `most` bytes
-- passes as it is; one that turns out longer than `limits.body` fails with 502, so keep that the larger.
schema = {
  replace = "table", -- old: new, the longest old first
  types = { type = "list", default = { "text/html", "text/css", "text/plain", "application/json", "text/javascript" } },
  most = { type = "number", default = 1024 * 1024 },
}

local olds: { string } = {}

function load()
  for old, new in options.replace do
    if old == "" or type(new) ~= "string" then
      error("replace: texts that are not empty, and what comes in their place")
    end
    table.insert(olds, old)
  end
  table.sort(olds, function(a, b)
    return if #a == #b then a < b else #a > #b
  end)
end

function response(exchange)
  local response = exchange.response
  if not table.find(options.types, response.media_type or "") then
    return
  end
  if tonumber(response.headers["content-length"] or "0") > options.most then
    return
  end
  local before = response:body()
  local after = before
  for _, old in olds do
    after = text.replace(after, old, options.replace[old])
  end
  if after ~= before then
    response:set_body(after)
  end
end
