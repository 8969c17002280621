--: GET /one
function envoy_on_request(handle)
  local info = handle:streamInfo()
  local h = handle:headers()
  h:add("out-protocol", info:protocol())
  h:add("out-cluster", "<" .. info:virtualClusterName() .. ">")
  h:add("out-server-name", "<" .. info:requestedServerName() .. ">")
  for _, name in ipairs({ "downstreamLocalAddress", "downstreamDirectLocalAddress", "downstreamRemoteAddress", "downstreamDirectRemoteAddress" }) do
    h:add("out-" .. name, (info[name](info):gsub("%d+$", "PORT")))
  end
  h:add("out-ssl", info:downstreamSslConnection() == nil and "nil" or "object")
  h:add("out-connection-ssl", handle:connection():ssl() == nil and "nil" or "object")
  h:add("out-typed", info:dynamicTypedMetadata("x") == nil and "nil" or "table")
  h:add("out-state", info:filterState():get("x") == nil and "nil" or "text")
  h:add("out-of-connection", handle:connectionStreamInfo():dynamicMetadata():get("x") == nil and "nil" or "table")
  h:add("out-typed-connection", handle:connectionStreamInfo():dynamicTypedMetadata("x") == nil and "nil" or "table")
  h:add("out-vhost", handle:virtualHost():metadata():get("x") == nil and "nil" or "value")
end
