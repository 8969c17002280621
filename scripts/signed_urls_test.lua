local function sign(target)
  return `{target}&signature={hex.encode(hmac.sha256("hush", target))}`
end

test("a link works until it expires", function(t)
  t:secret("url-key", "hush")
  t:options { key = { secret = "url-key" } }
  local link = sign(`/a.zip?expires={t:now() + 60}`)
  t:expect(t:request(link).status, 200)
  t:expect(string.find(t:requests()[1].path, "signature", 1, true), nil)
  t:expect(t:request((string.gsub(link, "a.zip", "b.zip"))).status, 403)
  t:expect(t:request("/a.zip").status, 403)
  t:advance(61)
  t:expect(t:request(link).status, 403)
end)
