test("a bucket empties, and fills again", function(t)
  t:options { rate = 1, burst = 3, header = "x-user" }
  for left = 2, 0, -1 do
    t:expect(t:request("/").headers["ratelimit-remaining"], tostring(left))
  end
  local refused = t:request("/")
  t:expect(refused.status, 429)
  t:expect(refused.headers["retry-after"], "1")
  t:expect(t:request({ headers = { ["x-user"] = "ada" } }).status, 200)
  t:expect(t:request({ client = "198.51.100.7" }).status, 200)
  t:advance(2)
  t:expect(t:request("/").status, 200)
  t:expect(t:request("/").status, 200)
  t:expect(t:request("/").status, 429)
end)
