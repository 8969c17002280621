test("parts become one, at the pace of the slowest", function(t)
  t:upstream("users", { body = { name = "Ada" }, delay = 1 })
  t:upstream("orders", { body = { 1, 2 }, delay = 1 })
  t:grant { upstreams = { "users", "orders" } }
  t:options {
    parts = {
      user = { upstream = "users", path = "/" },
      orders = { upstream = "orders", path = "/", optional = true },
    },
  }
  local begun = t:now()
  t:expect(t:request("/").json == nil, false)
  t:expect(t:now() - begun < 2, true, "they were asked one after the other")
  t:expect(t:request("/"):json(), { user = { name = "Ada" }, orders = { 1, 2 } } :: any)
  t:upstream("users", { body = { name = "Ada" }, delay = 5 })
  t:expect(t:request("/").status, 502)
end)
