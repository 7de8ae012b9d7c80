#!/bin/sh
# Starts Redis with the passwords of its Secrets, which no ConfigMap may hold: REDIS_PASSWORD, and MONITOR_PASSWORD of a
# user that may ask for the server's numbers and for no key. PRIMARY is the host that the others copy.
set -eu
umask 077
conf=${RUN:-/run/redis}/redis.conf
{
  cat "${CONFIG:-/etc/redis/redis.conf}"
  printf 'requirepass "%s"\nmasterauth "%s"\n' "$REDIS_PASSWORD" "$REDIS_PASSWORD"
  if [ -n "${MONITOR_PASSWORD:-}" ]; then
    printf 'user monitoring on ">%s" resetkeys resetchannels -@all +info +ping\n' "$MONITOR_PASSWORD"
  fi
  if [ -n "${PRIMARY:-}" ] && [ "${PRIMARY%%.*}" != "$POD_NAME" ]; then
    printf 'replicaof %s 6379\n' "$PRIMARY"
  fi
} > "$conf"
exec redis-server "$conf"
