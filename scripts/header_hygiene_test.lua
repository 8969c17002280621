test("internal fields stay inside", function(t)
  t:options { from_client = { "x-internal-*", "x-user" } }
  t:upstream("origin", { headers = { ["x-powered-by"] = "rust", ["x-frame-options"] = "DENY" }, body = "" })
  local response = t:request { headers = { ["x-internal-role"] = "root", ["x-user"] = "root", ["x-other"] = "1" } }
  local seen = t:requests()[1].headers
  t:expect({ seen["x-internal-role"], seen["x-user"], seen["x-other"] }, { nil, nil, "1" } :: any)
  t:expect(response.headers["x-powered-by"], nil)
  t:expect(response.headers["x-frame-options"], "DENY")
  t:expect(response.headers["x-content-type-options"], "nosniff")
  t:expect(response.headers["strict-transport-security"], nil)
end)
