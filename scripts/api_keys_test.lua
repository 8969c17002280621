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

test("a key that is in the dictionary alone opens too", function(t)
  local digits = hex.encode(hash.sha256("other"))
  t:config((string.gsub([[version: 1
listeners: { web: { bind: 8080 } }
upstreams: { origin: { endpoints: ["10.0.0.1:80"] } }
dictionaries: { keys: {} }
policies:
  add:
    lua: { inline: "function load() dictionary('keys'):set('DIGITS', 'bob') end function request() end" }
    may: { dictionaries: [keys] }
  keys: { lua: { file: api_keys.lua, with: { dictionary: keys } }, may: { dictionaries: [keys] } }
routes: [{ match: { path: /* }, use: [add, keys], to: origin }]
]], "DIGITS", digits)))
  t:expect(t:request({ headers = { ["x-api-key"] = "guessed" } }).status, 403)
  t:expect(t:request({ headers = { ["x-api-key"] = "other" } }).status, 200)
  t:expect(t:requests()[1].headers["x-user"], "bob")
end)
