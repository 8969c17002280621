test("answers come from the fakes", function(t)
	t:options { prefix = "/p" }
	t:upstream("origin", function(request)
		t:expect(request.headers["X-Prefix"], "/p")
		return {
			status = 201,
			headers = { ["set-cookie"] = { "a=1", "b=2" } },
			body = { path = request.path, query = request.query, body = request.body },
		}
	end)
	local response = t:request { method = "POST", path = "/a", query = "b=c", body = "hello", client = "203.0.113.9" }
	t:expect(response.status, 201)
	t:expect(response:all("Set-Cookie"), { "a=1", "b=2" })
	t:expect(response:json(), { path = "/a", query = "b=c", body = "hello" })
	t:match(response.headers["Content-Type"], "^application/json")
	local line = t:logs()[1]
	t:expect({ line.level, line.message, line.hook, line.fields }, { "info", "asked", "request", { path = "/a", from = "203.0.113.9" } })
end)

test("time is virtual: nobody waits for a timeout", function(t)
	local begin = t:now()
	t:upstream("origin", function(request)
		return if request.endpoint_number == 1 then { delay = 100000 } else { body = "two" }
	end)
	t:expect(t:request("/slow").headers["x-slept"], "yes")
	for _ = 1, 2 do
		t:expect(t:request({ path = "/" }).body, "two")
	end
	t:expect(t:now() - begin >= 1, true)
	begin = t:now()
	t:advance(3600)
	t:expect(t:now() - begin, 3600)
end)

test("a failure is tried again elsewhere, but for a POST", function(t)
	t:upstream("origin", { close = true })
	t:expect(t:request("/").status, 502)
	local tries = #t:requests()
	t:expect(tries > 1, true, "a GET is tried again")
	t:expect(t:request({ method = "POST", body = "x" }).status, 502)
	t:expect(#t:requests(), tries + 1)
end)

test("trailers, and bodies that end early", function(t)
	t:upstream("origin", { body = "abc", trailers = { ["x-sum"] = "9" } })
	local response = t:request("/")
	t:expect({ response.body, response.trailers["X-Sum"] }, { "abc", "9" })
	t:upstream("origin", { body = "abcdef", cut = true })
	t:expect(t:request("/").broken ~= nil, true)
end)

test("a configuration of the test's own: routes, secrets, tables, several listeners", function(t)
	t:secret("key", "hush")
	t:config [[
version: 1
listeners: { web: { bind: 8080 }, other: { bind: 8081 } }
secrets: { key: { env: LAB_SECRET_key } }
upstreams: { a: { endpoints: ["10.0.0.1:80"] }, b: { endpoints: ["b.example:443"], tls: {} } }
policies:
  sign:
    may: { secrets: [key] }
    lua:
      with: { key: { secret: key } }
      inline: |
        function request(exchange) exchange.request.headers["authorization"] = options.key:prefixed("Key ") end
routes:
  - { match: { host: a.example }, to: a }
  - { match: { host: b.example }, use: [sign], to: b }
]]
	t:upstream("b", function(request)
		return request.headers["authorization"]
	end)
	t:expect(t:request({ host = "b.example" }).body, "Key hush")
	t:expect(t:request({ host = "c.example" }).status, 404)
	t:expect(t:request({ host = "a.example", listener = "other" }).status, 200)
	t:expect({ #t:requests("a"), #t:requests("b") }, { 1, 1 })
end)

test("each test has a world of its own", function(t)
	t:expect(#t:requests(), 0)
	t:expect(#t:logs(), 0)
end)
