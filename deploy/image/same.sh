#!/usr/bin/env bash
# same.sh TARGET: makes an image twice, each time from nothing, and compares what was made. It needs docker buildx.
set -euo pipefail
target=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for time in first second; do
  docker buildx build --no-cache --provenance=false --target "$target" --metadata-file "$folder/$time.json" \
    --build-arg SOURCE_DATE_EPOCH=315532800 --output "type=oci,dest=$folder/$time.tar,rewrite-timestamp=true" .
done
digest() { grep -o '"containerimage.digest": *"[^"]*"' "$folder/$1.json"; }
echo "first  $(digest first)"
echo "second $(digest second)"
[ "$(digest first)" = "$(digest second)" ]
