#!/bin/sh
# package.sh OUT: the link checker as a Nuclio function, a folder with all that it needs and nothing of the service.
#   nuctl deploy link-checker --path OUT
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
out=$1
[ ! -e "$out" ] || { echo "$out is there already" >&2; exit 1; }
checker=services/link_checker
mkdir -p "$out/$checker"
cp "$root/$checker/function/function.yaml" "$out/function.yaml"
cp "$root/deploy/image/function.lock" "$out/function.lock"
cp "$root/services/__init__.py" "$out/services/"
cp "$root/$checker/__init__.py" "$root/$checker/domain.py" "$out/$checker/"
for part in fetching function; do
  mkdir "$out/$checker/$part"
  cp "$root/$checker/$part"/*.py "$out/$checker/$part/"
done
