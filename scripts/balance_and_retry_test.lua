test("a client stays at its endpoint", function(t)
  t:options { key = "x-user" }
  t:upstream("origin", function(request)
    return { body = request.endpoint }
  end)
  for user = 1, 20 do
    local headers = { ["x-user"] = tostring(user) }
    t:expect(t:request({ headers = headers }).body, t:request({ headers = headers }).body)
  end
end)

test("a bad answer is tried elsewhere, so many times", function(t)
  t:options { attempts = 2 }
  local sick
  t:upstream("origin", function(request)
    sick = sick or request.endpoint
    return { status = if request.endpoint == sick then 503 else 200 }
  end)
  t:expect(t:request("/").status, 200)
  t:expect(#t:requests(), 2)
  t:upstream("origin", { status = 503 })
  t:expect(t:request("/").status, 503)
  t:expect(#t:requests(), 4)
end)
