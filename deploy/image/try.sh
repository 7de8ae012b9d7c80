#!/usr/bin/env bash
# try.sh TARGET: makes an image, weighs it, and starts what is in it as the chart does. It needs docker.
set -euo pipefail
target=$1
image="delinkcious-try:$target"
docker buildx build --load --target "$target" --tag "$image" .

case $target in load) limit=260 ;; *) limit=200 ;; esac
size=$(($(docker image inspect --format '{{.Size}}' "$image") / 1000000))
echo "$target: $size MB of at most $limit"
[ "$size" -lt "$limit" ]

confined() {
  docker run --rm --read-only --cap-drop ALL --security-opt no-new-privileges --user 65534:65534 --network none \
    --tmpfs /tmp "$image" "$@"
}
[ "$(confined python -c 'import os; print(os.getuid())')" = 65534 ]
if confined python -m pip --version || confined python -m ensurepip --version; then
  echo "$target: something is left that installs packages"
  exit 1
fi
case $target in
  app) for service in users links social_graph news link_checker web; do
    began=$(date +%s%N)
    confined python -c "import services.$service.app"
    echo "$service: $((($(date +%s%N) - began) / 1000000)) ms with its container"
    confined python -m "services.$service" --help > /dev/null
  done ;;
  load) confined python -m loadtest --help > /dev/null ;;
  canary) confined python -m mesh.canary --help > /dev/null ;;
esac
