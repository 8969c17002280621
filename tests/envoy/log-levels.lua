--: GET /one
function envoy_on_request(handle)
  handle:logTrace("trace")
  handle:logDebug("debug")
  handle:logInfo("info")
  handle:logWarn("warn")
  handle:logErr("error")
  handle:logCritical("critical")
  handle:logInfo(5)
  handle:headers():logInfo("objects can too")
  handle:headers():add("x-logged", "yes")
end
