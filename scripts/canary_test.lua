local function upstreams(t)
  t:upstream("origin", { body = "old" })
  t:upstream("next", { body = "new" })
  t:grant { upstreams = { "next" } }
end

test("those who ask for it get the canary", function(t)
  upstreams(t)
  t:options { to = "next" }
  t:expect(t:request("/").body, "old")
  t:expect(t:request({ headers = { ["x-canary"] = "always" } }).body, "new")
  t:expect(t:request({ headers = { cookie = "canary=always" } }).body, "new")
  t:expect(t:request({ headers = { cookie = "canary=always", ["x-canary"] = "never" } }).body, "old")
  t:expect(t:request({ headers = { ["x-canary"] = "maybe" } }).body, "old")
end)

test("a percentage of addresses, always the same ones", function(t)
  upstreams(t)
  t:options { to = "next", percent = 20 }
  local new = 0
  for last = 1, 200 do
    local client = `198.51.100.{last}`
    local body = t:request({ client = client }).body
    t:expect(t:request({ client = client }).body, body, client)
    new += if body == "new" then 1 else 0
  end
  t:expect(new > 20 and new < 60, true, `{new} of 200`)
end)
