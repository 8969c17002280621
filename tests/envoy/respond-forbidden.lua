--: GET /admin
--: ---
--: GET /public
function envoy_on_request(handle)
  if handle:headers():get(":path") == "/admin" then
    handle:respond({ [":status"] = "403", ["x-why"] = "admin" }, "nope")
  end
end
function envoy_on_response(handle)
  handle:headers():add("x-response", "seen")
end
