--: OPTIONS /one
--: Origin: https://app.example
--: Access-Control-Request-Method: PUT
--: ---
--: GET /one
--: Origin: https://app.example
function envoy_on_request(handle)
  local h = handle:headers()
  local origin = h:get("origin")
  handle:streamInfo():dynamicMetadata():set("cors", "origin", origin)
  if h:get(":method") == "OPTIONS" and h:get("access-control-request-method") then
    handle:respond({ [":status"] = "204", ["access-control-allow-origin"] = origin, ["access-control-allow-methods"] = "GET, PUT" }, "")
  end
end
function envoy_on_response(handle)
  local cors = handle:streamInfo():dynamicMetadata():get("cors")
  if cors then handle:headers():replace("access-control-allow-origin", cors["origin"]) end
end
