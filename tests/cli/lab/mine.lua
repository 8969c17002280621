schema = { prefix = { type = "string", default = "/" } }

function request(exchange)
	if exchange.request.path == "/slow" then
		sleep(0.05)
		return answer(200, { ["x-slept"] = "yes" })
	end
	logger.info("asked", { path = exchange.request.path, from = exchange.client.address })
	exchange.request.headers["x-prefix"] = options.prefix
end

function upstream_failure(exchange)
	return if exchange.request.method == "GET" then retry() else fail()
end
