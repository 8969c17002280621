--: GET /one
function envoy_on_request(handle)
  local h = handle:headers()
  h:add("out-format", string.format("%s %s %d %5.2f %q", nil, true, 42, 3.14159, "x"))
  h:add("out-rep", ("ab"):rep(3, "-"))
  h:add("out-unpack", table.concat({ unpack({ 1, 2, 3 }) }, ","))
  h:add("out-table-unpack", select("#", table.unpack({ 1, 2 })))
  h:add("out-type", type(handle))
  h:add("out-time", type(os.time()))
  h:add("out-date", #os.date("%Y-%m-%d"))
  local words = {}
  for word in string.gmatch("a,b,,c", "[^,]+") do words[#words + 1] = word end
  h:add("out-words", #words)
end
