local jwt = require("checks.token")
local list = require "net/list"

function request(exchange)
  -- require("nothing here")
  return jwt.check(exchange, options.key) or list
end
