local list = require("out")
