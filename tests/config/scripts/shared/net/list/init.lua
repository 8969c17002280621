-- Cycles are found when it is run.
local token = require("checks.token")
return {}
