#!/bin/sh
# Dumps the database of each of SERVICES into BACKUPS as SERVICE-TIME.dump, whole or not at all, and keeps the newest KEEP
# of each. Where each is stands in SECRETS/SERVICE/url. One that fails keeps nobody else from being dumped.
set -eu
umask 077
now=$(date -u +%Y%m%dT%H%M%SZ)
status=0
for service in $SERVICES; do
  file=$BACKUPS/$service-$now.dump
  if pg_dump --dbname="$(cat "$SECRETS/$service/url")" --format=custom --no-owner --no-privileges \
    --lock-wait-timeout=60000 --file="$file.partial" && pg_restore --list "$file.partial" > /dev/null; then
    sync "$file.partial"
    mv "$file.partial" "$file"
    echo "$service: $(wc -c < "$file") bytes in $file"
    # Names sort by time. Only after a good one is an old one deleted.
    find "$BACKUPS" -maxdepth 1 -name "$service-[0-9]*T*Z.dump" | sort -r | tail -n "+$((KEEP + 1))" | while read -r old; do
      rm -- "$old"
    done
  else
    rm -f -- "$file.partial"
    echo "$service: failed" >&2
    status=1
  fi
done
exit "$status"
