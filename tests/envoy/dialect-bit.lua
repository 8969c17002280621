--: GET /one
function envoy_on_request(handle)
  local h = handle:headers()
  h:add("out-band", bit.band(0xff, 0x0f))
  h:add("out-bnot", bit.bnot(0))
  h:add("out-bor", bit.bor(1, 2, 4))
  h:add("out-bxor", bit.bxor(0xff, 0x0f))
  h:add("out-shift", bit.lshift(1, 31))
  h:add("out-right", bit.rshift(-1, 28))
  h:add("out-arith", bit.arshift(-256, 4))
  h:add("out-hex", bit.tohex(255, 4))
  h:add("out-swap", bit.tohex(bit.bswap(0x12345678)))
  h:add("out-rol", bit.tohex(bit.rol(0x12345678, 12)))
end
