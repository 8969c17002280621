--: GET /item
--: x-tenant: other
-- A changed head chooses the route anew: at a listener the script runs before one is chosen.
function envoy_on_request(handle)
  if handle:headers():get("x-tenant") == "other" then
    handle:headers():replace(":path", "/other" .. handle:headers():get(":path"))
    handle:clearRouteCache()
  end
end
