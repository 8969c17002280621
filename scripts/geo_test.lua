test("the narrowest network says where an address belongs", function(t)
  t:upstream("origin", { body = "here" })
  t:upstream("eu", { body = "eu" })
  t:grant { upstreams = { "eu" } }
  t:options {
    networks = { ["192.0.2.0/24"] = "eu", ["192.0.2.9"] = "nowhere", ["2001:db8::/32"] = "eu" },
    upstreams = { eu = "eu" },
    refused = { "nowhere" },
  }
  t:expect(t:request({ client = "192.0.2.1" }).body, "eu")
  t:expect(t:requests("eu")[1].headers["x-region"], "eu")
  t:expect(t:request({ client = "2001:db8::1" }).body, "eu")
  t:expect(t:request({ client = "192.0.2.9" }).status, 451)
  t:expect(t:request({ client = "198.51.100.1", headers = { ["x-region"] = "eu" } }).body, "here")
  t:expect(t:requests()[1].headers["x-region"], nil)
end)
