test("a client stays on the side that it was dealt", function(t)
  t:upstream("a", { body = "a" })
  t:upstream("b", { body = "b" })
  t:grant { upstreams = { "a", "b" } }
  t:options { shares = { a = 1, b = 1 } }
  local count = { a = 0, b = 0 }
  for _ = 1, 100 do
    local first = t:request("/")
    count[first.body] += 1
    t:match(first.headers["set-cookie"], `^side={first.body}; `)
    local again = t:request { headers = { cookie = `side={first.body}` } }
    t:expect(again.body, first.body)
    t:expect(again.headers["set-cookie"], nil)
  end
  t:expect(count.a > 20 and count.b > 20, true, `{count.a} and {count.b}`)
  t:match(t:request({ headers = { cookie = "side=c" } }).headers["set-cookie"], "^side=[ab]; ")
end)
