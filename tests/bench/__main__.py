"""`make bench`: what each layer costs `GET /api/v1/links?limit=20`, all in one run, as ratios.

(a) the process alone, (b) the process with its telemetry off, (c) through two sidecars with mutual TLS,
(d) through the ingress gateway (HTTPS) and a sidecar. Rounds alternate, so that a drift of the machine
meets all alike; the ratio of a round is to (b) of the same round, the figure shown is their median.
"""

from __future__ import annotations

import argparse
import json
import os
import ssl
from urllib.parse import urlsplit

from tests.bench.cpu import Layer, of_installation
from tests.bench.load import Target, get
from tests.bench.running import Installation, account, alone, installation, measure, show, summary

PATH = "/api/v1/links?limit=20"
CLIENT = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: bench, namespace: delinkcious}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: bench, namespace: delinkcious}
spec:
  selector: {matchLabels: {app: bench}}
  template:
    metadata: {labels: {app: bench}}
    spec:
      serviceAccountName: bench
      containers:
        - name: wait
          command: [python, -c, "import signal; signal.pause()"]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: links-from-bench, namespace: delinkcious}
spec:
  selector: {matchLabels: {app: links}}
  action: ALLOW
  rules:
    - from:
        - source: {principals: [cluster.local/ns/delinkcious/sa/bench]}
"""


def targets(
    running: Installation, token: str, url: str, trust: ssl.SSLContext, ports: tuple[int, int]
) -> list[Target]:
    headers = [("authorization", f"Bearer {token}")]
    direct = get(PATH, "links", headers)
    meshed = get(f"http://links{PATH}", "links", headers)
    egress_host, _, egress_port = running.pod("bench")["egress"].rpartition(":")
    edge = urlsplit(url)
    assert edge.hostname and edge.port
    return [
        Target("(a) process alone", "127.0.0.1", ports[0], direct),
        Target("(b) process, telemetry off", "127.0.0.1", ports[1], direct),
        Target("(c) sidecars, mutual TLS", egress_host, int(egress_port), meshed),
        Target("(d) ingress and sidecar", edge.hostname, edge.port, get(PATH, edge.netloc, headers), trust),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each layer in each round")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    chosen = parser.parse_args()
    with installation("--no-tools") as running:
        url = running.url
        trust = running.trust()
        running.call("mesh", "apply", "-f", "-", text=CLIENT)
        token = account(url, trust).token
        pod = running.pod("links")
        meshed = of_installation(running.pods(), running.state, "links")
        [service] = [layer for layer in meshed if layer.name == "service"]
        with alone(pod) as first, alone(pod, OTEL_SDK_DISABLED="true") as second:
            every = targets(running, token, url, trust, (first.port, second.port))
            processes = [Layer("service", (first.pid,)), Layer("service", (second.pid,)), service, service]
            layers = dict(zip((target.name for target in every), processes, strict=True))
            found = measure(every, chosen.rounds, chosen.seconds, chosen.connections, layers)
            rows = summary(found, every[1].name)
    if chosen.output == "json":
        print(json.dumps(rows, indent=2))
        return
    show(rows, "GET " + PATH, "(b)")
    print(f"{os.cpu_count()} cores, {chosen.connections} connections, median of {chosen.rounds} rounds")


if __name__ == "__main__":
    main()
