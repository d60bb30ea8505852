#!/bin/sh
# The second server of deploy/site/compose.yaml: a copy of the first, which it follows. To promote it once the first is
# surely down and stays so: `docker compose exec db2 pg_ctl promote`. Nothing here does that by itself.
set -eu
secrets=${SECRETS:-/run/secrets}
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  # Beside the data, since it is needed for as long as this server follows.
  passwords=$(dirname "$PGDATA")/replication.pgpass
  (umask 077 && printf '*:*:*:replication:%s\n' "$(cat "$secrets/replication")" >"$passwords")
  way="host=$PRIMARY port=${PRIMARY_PORT:-5432} user=replication passfile=$passwords sslmode=verify-full"
  way="$way sslrootcert=$secrets/authority application_name=$STANDBY"
  # The first may be starting.
  until pg_basebackup --dbname "$way" --pgdata "$PGDATA" --slot "$STANDBY" --checkpoint fast --write-recovery-conf; do
    rm -rf "$PGDATA"
    sleep 2
  done
  # Promoted, it is alone until another follows it: kyc-bot check says so.
  cat >>"$PGDATA/postgresql.conf" <<CONF
ssl_cert_file = '$secrets/certificate'
ssl_key_file = '$secrets/key'
synchronous_standby_names = ''
CONF
fi
exec postgres -D "$PGDATA" "$@"
