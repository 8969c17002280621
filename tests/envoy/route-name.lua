--: GET /one
--? differs: at a listener our script runs before a route is chosen, so that there is no name yet; at a route there is
function envoy_on_request(handle)
  handle:headers():add("out-route", "<" .. handle:streamInfo():routeName() .. ">")
end
