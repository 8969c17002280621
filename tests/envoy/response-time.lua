--: GET /one
-- Time between the two callbacks: only that it is a number.
function envoy_on_request(handle)
  handle:streamInfo():dynamicMetadata():set("timing", "begun", handle:timestamp())
end
function envoy_on_response(handle)
  local begun = handle:streamInfo():dynamicMetadata():get("timing")["begun"]
  local took = handle:timestamp() - begun
  handle:headers():add("out-timing", took >= 0 and took < 60000 and "sane" or "mad")
end
