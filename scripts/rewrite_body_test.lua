test("the longest text goes first, and images are let be", function(t)
  t:options { replace = { ["old.example"] = "new", ["old.example.org"] = "org" } }
  t:upstream("origin", function(request)
    local media = if request.path == "/image" then "image/png" else "text/html; charset=utf-8"
    return { headers = { ["content-type"] = media }, body = "old.example old.example.org" }
  end)
  t:expect(t:request("/").body, "new org")
  t:expect(t:request("/image").body, "old.example old.example.org")
end)
