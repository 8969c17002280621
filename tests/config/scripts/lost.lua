local a = require("checks.token")
local b = require("checks.tokn")
local c = require("../etc/passwd")
local d = require("/etc/passwd")
local e = require "checks.token.luau"
