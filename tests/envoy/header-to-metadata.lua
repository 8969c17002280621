--: GET /one
--: x-plan: gold
--: x-trace: on
-- Every field of one prefix as metadata, and back out on the response.
function envoy_on_request(request_handle)
  for name, value in pairs(request_handle:headers()) do
    if name == "x-plan" or name == "x-trace" then
      request_handle:streamInfo():dynamicMetadata():set("envoy.lb", name, value)
    end
  end
end
function envoy_on_response(response_handle)
  local kept = response_handle:streamInfo():dynamicMetadata():get("envoy.lb") or {}
  for name, value in pairs(kept) do
    response_handle:headers():add("out-" .. name, value)
  end
end
