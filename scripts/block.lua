-- Turns away bots by their User-Agent, and paths that nobody but a scanner asks for.
--
--   block:
--     lua: { file: scripts/block.lua, with: { agents: ["(?i)badbot", "^python-requests/"] } }
--
-- Both are regular expressions (Rust's syntax, linear time). 404 instead of 403 tells a scanner less.
schema = {
  agents = { type = "list", default = {} },
  paths = {
    type = "list",
    default = { [[/\.(git|env|svn|ht)]], [[\.(php|asp|aspx|cgi)$]], "^/wp-", "^/cgi-bin/" },
  },
  nameless = { type = "boolean", default = false }, -- turn away who sends no User-Agent
  status = { type = "number", default = 403 },
}

local agents: Pattern?, paths: Pattern?

-- One expression of all: a text is walked once, however many there are.
local function any(patterns)
  local parts = {}
  for _, pattern in patterns do
    regex.compile(pattern) -- each by itself: the message of a wrong one names it alone
    table.insert(parts, `(?:{pattern})`)
  end
  return if #parts > 0 then regex.compile(table.concat(parts, "|")) else nil
end

function load()
  agents, paths = any(options.agents), any(options.paths)
end

function request(exchange)
  local agent = exchange.request.headers["user-agent"]
  if not agent and options.nameless then
    return answer { status = options.status, why = "no User-Agent" }
  end
  if agent and agents and agents:test(agent) then
    return answer { status = options.status, why = "its User-Agent" }
  end
  if paths and paths:test(exchange.request.path) then
    return answer { status = options.status, why = "its path" }
  end
end
