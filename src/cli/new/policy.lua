--!strict
-- NAME: asks for a key in a field, and tells the upstream who it was.
-- Every hook and object is in gatewright.d.luau, beside this file; `gatewright test DIR` runs NAME_test.lua.

schema = {
	field = { type = "string", default = "x-api-key" },
	keys = "table",
}

function request(exchange: Exchange): Verdict?
	local key = exchange.request.headers[options.field]
	if not key then
		return answer(401, { ["www-authenticate"] = "ApiKey" }, "a key is missing\n")
	end
	local user = options.keys[key]
	if not user then
		logger.warn("an unknown key", { client = exchange.client.address })
		return answer(403)
	end
	exchange.request.headers[options.field] = nil
	exchange.request.headers["x-user"] = user
	return nil
end

function response(exchange: Exchange)
	exchange.response.headers["cache-control"] = "private"
end
