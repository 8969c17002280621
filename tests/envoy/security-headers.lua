--: GET /one
-- The list of fields that half of all EnvoyFilters are about.
local wanted = {
  ["strict-transport-security"] = "max-age=31536000; includeSubDomains",
  ["x-frame-options"] = "DENY",
  ["x-content-type-options"] = "nosniff",
  ["referrer-policy"] = "no-referrer",
}
local unwanted = { "server", "x-powered-by", "x-origin" }
function envoy_on_response(response_handle)
  local headers = response_handle:headers()
  for name, value in pairs(wanted) do
    if headers:get(name) == nil then headers:add(name, value) end
  end
  for _, name in ipairs(unwanted) do headers:remove(name) end
end
