test("everybody sees the page, but for those let through", function(t)
  t:options { allow = { "192.0.2.0/24" }, open = { "/healthz" }, retry_after = 60, page = "later" }
  local closed = t:request { path = "/", client = "198.51.100.7" }
  t:expect(closed.status, 503)
  t:expect(closed.body, "later")
  t:expect(closed.headers["retry-after"], "60")
  t:expect(t:request({ path = "/", client = "192.0.2.1" }).status, 200)
  t:expect(t:request({ path = "/healthz", client = "198.51.100.7" }).status, 200)
  t:expect(#t:requests(), 2)
end)
