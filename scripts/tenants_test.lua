test("a host leads to its tenant", function(t)
  t:upstream("acme", { body = "acme" })
  t:upstream("globex", { body = "globex" })
  t:grant { upstreams = { "acme", "globex" } }
  t:options { tenants = { acme = "acme", globex = "globex" }, suffix = ".shop.example" }
  t:expect(t:request({ host = "acme.shop.example" }).body, "acme")
  t:expect(t:request({ host = "Globex.shop.example:8443" }).body, "globex")
  t:expect(t:request({ host = "initech.shop.example" }).status, 404)
  t:expect(t:request({ host = "shop.example" }).status, 404)
  t:expect(t:requests("acme")[1].headers["x-tenant"], "acme")
end)
