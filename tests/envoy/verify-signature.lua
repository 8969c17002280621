--: GET /one
local function unhex(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end
local der = unhex("30820122300d06092a864886f70d01010105000382010f003082010a0282010100ceb29473db868b5ff0136787de1baeda6155de355ca871daa9054b0afe4386fae1ce3a0de79a011c5baa31c848ae3173b6109ca8684f3abbf4aaa9112a90cbde8503314af0687719d5b277fc0871d3f64e8715524d3d89b138c2cd9819bfe3c762b69a1ea0bcf4f9e3ea28de5c1d4506011d40e2d7a32803c942c24d68cc416f7d3670ed61c0445a60168242464b15aebd1bed22ea672f7b35e3cde878ddc95b14a0946273625906d322f291b879475f5bcaebc1bec70a50644d60175291153240b758b2da23750564994358517ad6a38b5d06e27e6a8d602693b49e6e7380eb719fa725235cd4cbec772b441ef58cd713beb60c587b82691830802cb72a48dd0203010001")
local signature = unhex("512fc90757e19e6e05fce87180b7bdf878032473e2dcf674493811ae674813d6187f9279a06d9d11253ff7aa3d562d7dda3332756f162c22cc6a699e351a70a29c000d0d0c50b60ffac8ef8008573a2823e1d0062a4715155e9d082a99262d208c246f0cb435a62011130dccb8c2ab474794018b080865ea6549754af7c605f251bf83d03bc226be3e8cc74db7136f7413d26e882bd96c1756804e51e68ed3961b32289d81ff8782aded41ec909d04b7ac97c9a4d13b52d8a85ea834ee0e5009a336688458abccd64fb4c96e272c249375e6c856dc8ce7debe5d48bbc0574788186359a22a2876477420bfea406fb4fba93923cbdb2abc9f5f31d4e4f5b9ea4e")
function envoy_on_request(handle)
  local data = "signed text"
  local key = handle:importPublicKey(der, #der)
  local h = handle:headers()
  h:add("out-key", key:get() and "read" or "nil")
  local ok, why = handle:verifySignature("sha256", key:get(), signature, #signature, data, #data)
  h:add("out-right", tostring(ok) .. (why == nil and " and nothing" or ""))
  local wrong, cause = handle:verifySignature("sha256", key:get(), signature, #signature, "other text.", 11)
  h:add("out-wrong", tostring(wrong) .. "<" .. cause .. ">")
  local unknown, because = handle:verifySignature("md4", key:get(), signature, #signature, data, #data)
  h:add("out-unknown", tostring(unknown) .. "<" .. because .. ">")
end
