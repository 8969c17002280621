local options = { keys = { s3same = "ada" } }

test("refuses without a key", function(t)
	t:options(options)
	local response = t:request { path = "/cart/7" }
	t:expect(response.status, 401)
	t:expect(response.headers["www-authenticate"], "ApiKey")
	t:expect(#t:requests(), 0, "the upstream was asked")
end)

test("refuses an unknown key, and says so in the log", function(t)
	t:options(options)
	t:expect(t:request({ headers = { ["x-api-key"] = "guessed" } }).status, 403)
	t:expect(t:logs()[1].message, "an unknown key")
end)

test("tells the upstream who it was, and not the key", function(t)
	t:options(options)
	t:upstream("origin", function(request)
		return { body = "hello " .. request.headers["x-user"] }
	end)
	local response = t:request { headers = { ["x-api-key"] = "s3same" } }
	t:expect(response.status, 200)
	t:expect(response.body, "hello ada")
	t:expect(response.headers["cache-control"], "private")
	t:expect(t:requests()[1].headers["x-api-key"], nil)
end)
