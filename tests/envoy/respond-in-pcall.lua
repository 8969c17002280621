--: GET /one
-- It ends the script at once, inside `pcall` too.
function envoy_on_request(handle)
  handle:headers():add("x-before", "1")
  pcall(function()
    handle:respond({ [":status"] = "409" }, "conflict")
  end)
  handle:respond({ [":status"] = "500" }, "never")
end
