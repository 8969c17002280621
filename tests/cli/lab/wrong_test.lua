-- Every test here fails; tests/cli/authoring.rs knows how, and on which line.
test("tables", function(t)
	t:expect({ 1, 3 }, { 1, 2 })
end)
test("a policy that fails", function(t)
	print("said", 1)
	t:expect(t:request("/fails").status, 200, "it counts")
end)


test("patterns", function(t)
	t:match("abc", "^b")
end)
test("a bad configuration", function(t) t:config("version: 1\nlistenrs: {}\n")
	t:request("/")
end)
test("a bad name", function(t)
	t:requets("/")
end)

local function deep(t)
	t:fail()
end
test("a function of the file's", function(t)
	deep(t)
end)

test("a fake that fails", function(t)
	t:upstream("origin", function(request)
		error(request.nothing.x)
	end)
	t:request("/")
end)
test("too late", function(t) t:request("/")
	t:options {}
end)
test("a response that never ends", function(t) t:config("version: 1\nlisteners: { web: { bind: 1 } }\nupstreams: { u: { endpoints: ['a:1'], timeouts: { first_byte: 3h, total: 3h } } }\nroutes: [{ to: u }]\n") t:upstream("u", { delay = 100000 })
	t:request("/")
end)
