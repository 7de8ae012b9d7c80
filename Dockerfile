# syntax=docker/dockerfile:1
# One image for every service, `python -m services.NAME`; made the same from the same inputs (docs/release.md).
#
#   docker buildx build -t delinkcious/delinkcious:0.1.0 .
#   docker buildx build -t delinkcious/delinkcious-load:0.1.0 --target load .         with locust in it
#   docker buildx build -t delinkcious/delinkcious-canary:0.1.0 --target canary .     drives rollouts
FROM python:3.13.15-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285 AS base

# What makes wheels smaller stays in this stage, as pip does.
FROM base AS building
RUN apt-get update \
    && apt-get install --yes --no-install-recommends binutils=2.44-* \
    && rm -rf /var/lib/apt/lists/*
ARG SOURCE_DATE_EPOCH=315532800
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} PYTHON=/usr/local/bin/python3 STRIP=/usr/bin/strip
WORKDIR /build
COPY deploy/image/tree.sh ./

# Debian and Python, less what installs or draws windows, with bytecode that a read-only file system cannot get later.
FROM base AS pruning
ARG SOURCE_DATE_EPOCH=315532800
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH}
RUN --mount=type=bind,source=deploy/image/tree.sh,target=/build/tree.sh \
    sh /build/tree.sh library /usr/local/lib/python3.13 \
    && sh /build/tree.sh debian

# All of it as one layer, since what is removed stays in the layer below.
FROM scratch AS runtime
# hadolint ignore=DL3067
COPY --from=pruning / /
ENV PATH=/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONPATH=/opt/delinkcious/code:/opt/delinkcious/wheels \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 65534:65534
CMD ["python", "-c", "raise SystemExit('name a service: python -m services.links')"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Delinkcious" \
      org.opencontainers.image.description="Social bookmarking as small services on an Istio mesh" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13.15-slim-trixie"

FROM building AS canary-wheels
COPY deploy/image/canary.lock ./
RUN ./tree.sh wheels canary.lock /out

FROM building AS canary-code
COPY telemetry telemetry
COPY mesh mesh
RUN ./tree.sh code . /out telemetry mesh/canary mesh/local

FROM runtime AS canary
COPY --from=canary-wheels /out /opt/delinkcious/wheels
COPY --from=canary-code /out /opt/delinkcious/code

FROM building AS code
COPY telemetry telemetry
COPY services services
COPY loadtest loadtest
COPY delinkcious/__init__.py delinkcious/
COPY delinkcious/smoke delinkcious/smoke
RUN ./tree.sh code . /out telemetry services loadtest delinkcious/smoke

FROM building AS load-wheels
COPY deploy/image/load.lock ./
RUN ./tree.sh wheels load.lock /out

FROM runtime AS load
COPY --from=load-wheels /out /opt/delinkcious/wheels
COPY --from=code /out /opt/delinkcious/code

FROM building AS app-wheels
COPY deploy/image/app.lock ./
RUN ./tree.sh wheels app.lock /out

# Last, so that it is what a build without `--target` makes.
FROM runtime AS app
COPY --from=app-wheels /out /opt/delinkcious/wheels
COPY --from=code /out /opt/delinkcious/code
