#!/bin/sh
# Puts SERVICE's database back to DUMP, a file in BACKUPS or `newest`: everything that is in it now goes, in the one
# transaction that brings the dump. Nobody else may write meanwhile: scale the service to 0 first.
set -eu
: "${SERVICE:?which service is to be restored?}" "${DUMP:?which file, or newest?}"
if [ "$DUMP" = newest ]; then
  file=$(find "$BACKUPS" -maxdepth 1 -name "$SERVICE-[0-9]*T*Z.dump" | sort | tail -n 1)
else
  file=$BACKUPS/$DUMP
fi
if [ ! -f "${file:-}" ]; then
  echo "there is no ${file:-dump of $SERVICE}; there are:" >&2
  ls "$BACKUPS" >&2
  exit 1
fi
case ${file##*/} in
  "$SERVICE"-[0-9]*T*Z.dump) ;;
  *) echo "$file is none of $SERVICE" >&2; exit 1 ;;
esac
{
  echo "BEGIN; DROP OWNED BY CURRENT_USER CASCADE;"
  # Without its end, which may be amid the rows of a table, nothing is committed.
  if pg_restore --no-owner --no-privileges --file=- "$file"; then echo "COMMIT;"; else printf '%s\n' '\.' "SELECT 1/0;"; fi
} | psql --no-psqlrc --quiet --output /dev/null --set ON_ERROR_STOP=1 --dbname="$(cat "$SECRETS/$SERVICE/url")"
echo "$SERVICE is as it was in ${file##*/}"
