#!/bin/sh
# Makes the certificates of the golden configurations anew; what is checked in was made by it. Needs OpenSSL.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1.key"; }

# name, common name, alternative names, first day, last day
signed() {
    openssl req -new -key "$1.key" -subj "/CN=$2" -out "$work/$1.csr"
    : > "$work/index.txt"
    cat > "$work/ca.cnf" <<END
[ca]
default_ca = own
[own]
database = $work/index.txt
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = names
unique_subject = no
[any]
commonName = supplied
[names]
subjectAltName = $3
END
    openssl ca -batch -notext -config "$work/ca.cnf" -selfsign -keyfile "$1.key" -in "$work/$1.csr" \
        -startdate "$4" -enddate "$5" -out "$1.pem" 2> "$work/log" || { cat "$work/log"; exit 1; }
}

key site && signed site site.test "DNS:site.test,DNS:*.site.test" 20200101000000Z 20991231235959Z
key twin && signed twin site.test "DNS:site.test" 20200101000000Z 20991231235959Z
key expired && signed expired expired.test "DNS:expired.test" 20200101000000Z 20210101000000Z
key early && signed early early.test "DNS:early.test" 20900101000000Z 20991231235959Z
openssl genrsa 1024 2> /dev/null | openssl pkcs8 -topk8 -nocrypt -out weak.key
signed weak weak.test "DNS:weak.test" 20200101000000Z 20991231235959Z
openssl pkcs8 -topk8 -in site.key -passout pass:secret -out locked.key
: > empty.pem
openssl x509 -in site.pem -outform DER -out site.der

# Of the example `https`.
cd ../../../examples/https
key shop && signed shop shop.test "DNS:shop.test,DNS:*.shop.test" 20200101000000Z 20991231235959Z
