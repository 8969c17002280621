--: GET /one
-- Objects, metatables, closures, coroutines of the script's own.
local Queue = {}
Queue.__index = Queue
function Queue.new() return setmetatable({ items = {} }, Queue) end
function Queue:push(value) self.items[#self.items + 1] = value end
function Queue:join() return table.concat(self.items, "+") end
function envoy_on_request(handle)
  local queue = Queue.new()
  local producer = coroutine.wrap(function()
    for i = 1, 3 do coroutine.yield(i * i) end
  end)
  for _ = 1, 3 do queue:push(producer()) end
  handle:headers():add("out-queue", queue:join())
end
