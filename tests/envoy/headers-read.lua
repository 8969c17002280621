--: GET /one
--: x-many: a
--: x-many: b
--: X-Case: Kept
--: Cookie: a=1
--: Cookie: b=2
-- `get` joins, `getAtIndex` counts from 0.
function envoy_on_request(handle)
  local h = handle:headers()
  h:add("out-joined", h:get("x-many"))
  h:add("out-count", h:getNumValues("x-many"))
  h:add("out-none", h:getNumValues("nope"))
  h:add("out-first", h:getAtIndex("x-many", 0))
  h:add("out-second", h:getAtIndex("x-many", 1))
  if h:getAtIndex("x-many", 2) == nil then h:add("out-third", "nil") end
  if not h:get("nope") then h:add("out-nope", "nil") end
  h:add("out-case", h:get("x-case"))
  h:add("out-cookie", h:get("cookie"))
end
