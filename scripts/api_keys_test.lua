local keys = { [hex.encode(hash.sha256("s3same"))] = "ada" }

test("only a known key opens, and it does not travel on", function(t)
  t:options { keys = keys }
  t:expect(t:request("/").status, 401)
  t:expect(t:request({ headers = { ["x-api-key"] = "guessed" } }).status, 403)
  t:expect(#t:requests(), 0)
  t:expect(t:request({ headers = { ["x-api-key"] = "s3same", ["x-user"] = "root" } }).status, 200)
  t:expect(t:requests()[1].headers["x-user"], "ada")
  t:expect(t:requests()[1].headers["x-api-key"], nil)
end)
