--: GET /one
function envoy_on_request(handle)
  local request = { [":method"] = "GET", [":path"] = "/cookies", [":authority"] = "x.example" }
  local last = handle:httpCall("other", request, "", { ["timeout_ms"] = 2000 })
  handle:headers():add("out-last", last["set-cookie"])
  local all = handle:httpCall("other", request, "", { timeout_ms = 2000, return_duplicate_headers = true })
  handle:headers():add("out-all", table.concat(all["set-cookie"], "|"))
  handle:headers():add("out-single", all["x-origin"])
end
