#!/bin/sh
# The first server of deploy/site/compose.yaml: made at its first start, and a standby follows it from then on. If that
# one was promoted meanwhile, this one must not start as it is: make it a standby by standby.sh, on an empty volume.
set -eu
secrets=${SECRETS:-/run/secrets}
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  # Under another name until it is whole: this may be broken off at any moment.
  new=$PGDATA.new
  rm -rf "$new"
  initdb --pgdata "$new" --username postgres --encoding UTF8 --locale C.UTF-8 --auth-local peer \
    --auth-host scram-sha-256 --data-checksums
  cat >>"$new/postgresql.conf" <<CONF
listen_addresses = '*'
password_encryption = scram-sha-256
ssl = on
ssl_cert_file = '$secrets/certificate'
ssl_key_file = '$secrets/key'
wal_level = replica
hot_standby = on
# A commit is confirmed once the standby has it on its disk.
synchronous_commit = on
synchronous_standby_names = '$STANDBY'
CONF
  cat >"$new/pg_hba.conf" <<HBA
local   all          postgres                peer
hostssl kyc          kyc          all        scram-sha-256
hostssl replication  replication  all        scram-sha-256
HBA
  # Nobody follows yet: these commits wait for nobody.
  postgres --single -j -D "$new" -c synchronous_standby_names= postgres <<SQL
CREATE ROLE replication LOGIN REPLICATION PASSWORD '$(cat "$secrets/replication")';

CREATE ROLE kyc LOGIN PASSWORD '$(cat "$secrets/password")';

GRANT pg_monitor TO kyc;

CREATE DATABASE kyc OWNER kyc ENCODING 'UTF8' TEMPLATE template0;

SELECT pg_create_physical_replication_slot('$STANDBY', true);

SQL
  mv "$new" "$PGDATA"
fi
exec postgres -D "$PGDATA" "$@"
