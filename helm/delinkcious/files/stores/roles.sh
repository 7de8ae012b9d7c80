#!/bin/sh
# After every start of PostgreSQL: one role and one database for each of ROLES, closed to the others, with the password
# that is in PASSWORD_ROLE now; MONITOR may look at statistics and at nobody's rows. Doing it again changes nothing.
set -eu

sql() {
  psql --no-psqlrc --quiet --tuples-only --output /dev/null --username postgres --dbname postgres \
    --set ON_ERROR_STOP=1 --set role="$1" --set variable="PASSWORD_$(printf %s "$1" | tr a-z- A-Z_)"
}

# Neither a slow statement nor a failed one is logged: passwords stand in them.
password() {
  printf '%s\n' "SET log_min_duration_statement = -1;" "SET log_min_error_statement = panic;" \
    "SELECT format('CREATE ROLE %I', :'role') WHERE to_regrole(quote_ident(:'role')) IS NULL \\gexec" \
    "\\getenv password :variable" "ALTER ROLE :\"role\" LOGIN PASSWORD :'password';"
}

everybody() {
  password | sql postgres
  for role in $ROLES; do
    {
      password
      printf '%s\n' \
        "SELECT format('CREATE DATABASE %I OWNER %I', :'role', :'role')" \
        "WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'role') \\gexec" \
        "REVOKE ALL ON DATABASE :\"role\" FROM PUBLIC;"
    } | sql "$role"
  done
  if [ -n "${MONITOR:-}" ]; then
    {
      password
      printf '%s\n' "GRANT pg_monitor TO :\"role\";" "ALTER ROLE :\"role\" SET default_transaction_read_only = on;"
    } | sql "$MONITOR"
  fi
}

# The first start has a server of its own for a while, which ends: then it is done again.
attempts=0
until (everybody); do
  attempts=$((attempts + 1))
  [ "$attempts" -lt "${ATTEMPTS:-120}" ] || exit 1
  sleep 1
done
