function request(exchange)
	if exchange.request.path == "/fails" then
		local nothing = nil
		return nothing.x
	end
	if exchange.request.path == "/never" then
		logger.info("never")
		return answer(204)
	end
end
