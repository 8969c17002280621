test("bots and scanners are turned away", function(t)
  t:options { agents = { "(?i)badbot" }, status = 404 }
  t:expect(t:request("/.git/config").status, 404)
  t:expect(t:request({ path = "/", headers = { ["user-agent"] = "BadBot/1" } }).status, 404)
  t:expect(t:request({ path = "/", headers = { ["user-agent"] = "Mozilla/5.0" } }).status, 200)
  t:expect(t:request("/").status, 200)
end)

test("who says nothing of itself may be turned away too", function(t)
  t:options { nameless = true }
  t:expect(t:request("/").status, 403)
end)
