#!/bin/sh
# Makes the secrets of deploy/site/compose.yaml in a new folder: an authority of the site's own, a certificate for each
# server that names its host, and the two passwords. Needs openssl. The authority's key is thrown away: who needs one
# more certificate makes all of them anew.
set -eu
umask 077
days=825
mkdir "$1" "$1/bots" "$1/servers"
cd "$1/servers"
openssl ecparam -name prime256v1 -genkey -noout -out authority.key
openssl req -new -x509 -key authority.key -days "$days" -subj "/CN=kyc-bot site" -out authority
for host in db1 db2; do
  openssl ecparam -name prime256v1 -genkey -noout -out "$host.key"
  openssl req -new -key "$host.key" -subj "/CN=$host" -out "$host.csr"
  printf 'subjectAltName=DNS:%s\n' "$host" >"$host.ext"
  openssl x509 -req -in "$host.csr" -CA authority -CAkey authority.key -CAcreateserial -days "$days" \
    -extfile "$host.ext" -out "$host.pem"
  rm "$host.csr" "$host.ext"
done
rm -f authority.key ./*.srl
for name in password replication; do
  openssl rand -hex 24 | tr -d '\n' >"$name"
done
cp authority password ../bots/
