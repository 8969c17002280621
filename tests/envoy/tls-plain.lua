--: GET /one
--? tls: plain
-- Without a certificate of the client's all of its fields are empty.
function envoy_on_request(handle)
  local ssl = handle:streamInfo():downstreamSslConnection()
  local h = handle:headers()
  h:add("out-presented", tostring(ssl:peerCertificatePresented()))
  h:add("out-digest", "<" .. ssl:sha256PeerCertificateDigest() .. ">")
  h:add("out-serial", "<" .. ssl:serialNumberPeerCertificate() .. ">")
  h:add("out-issuer", "<" .. ssl:issuerPeerCertificate() .. ">")
  h:add("out-subject", "<" .. ssl:subjectPeerCertificate() .. ">")
  h:add("out-parsed", ssl:parsedSubjectPeerCertificate() == nil and "nil" or "object")
  h:add("out-uris", #ssl:uriSanPeerCertificate())
  h:add("out-from", ssl:validFromPeerCertificate())
  h:add("out-until", ssl:expirationPeerCertificate())
  h:add("out-pem", "<" .. ssl:urlEncodedPemEncodedPeerCertificate() .. ">")
  h:add("out-suite", ssl:ciphersuiteString():match("^TLS_") and "a suite of TLS 1.3" or ssl:ciphersuiteString())
  h:add("out-suite-id", ssl:ciphersuiteId():match("^0x13%d%d$") and "0x13.." or ssl:ciphersuiteId())
end
