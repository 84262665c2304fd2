# syntax=docker/dockerfile:1
# Sockeye, one binary: gateway, worker, everything in one process, doctor, migrate.
#   docker build -t sockeye .
#   docker run --env-file .env.docker -e JWT_SECRET -p 5000:5000 -v sockeye-data:/data --read-only sockeye
#
# Base images are named here once, so that a build can take them from a mirror, or by digest (docs/deploying.md, "Images"):
#   docker build --build-arg RUN_IMAGE=gcr.io/distroless/cc-debian12:nonroot@sha256:... .
ARG NODE_IMAGE=node:20-bookworm-slim
# The release is spelled out so that the toolchain of the image is the one of rust-toolchain.toml, which is not copied:
# rustup would download it again, with components that only developers use.
ARG RUST_IMAGE=rust:1.95.0-slim-bookworm
ARG RUN_IMAGE=gcr.io/distroless/cc-debian12:nonroot

# --- The demo app, and the browser client that the binary serves at /socket.io/socket.io.js
FROM ${NODE_IMAGE} AS demo
WORKDIR /src/client-js/demo
COPY client-js/demo/package.json client-js/demo/package-lock.json ./
RUN --mount=type=cache,target=/cache/npm npm ci --cache /cache/npm --no-fund --no-audit
COPY client-js/demo/ ./
RUN npm run build

# --- The binary
FROM ${RUST_IMAGE} AS build
# librdkafka and its OpenSSL are built with make and perl. Versions are those of the base image's Debian release.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ make perl pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY server/ server/
# A member of the workspace: cargo reads its manifest, and builds nothing of it.
COPY bench/ bench/
COPY --from=demo /src/client-js/demo/node_modules/socket.io-client/ client-js/demo/node_modules/socket.io-client/
# librdkafka's zlib too is linked into the binary, whatever the base image has.
ENV LIBZ_SYS_STATIC=1
# What is in a cache mount is not in the image: the binary is copied out.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p sockeye \
 && install -D -m 0755 target/release/sockeye /out/usr/local/bin/sockeye \
 && mkdir -p /out/data/media

# --- What runs
# The binary needs glibc, libm and libgcc and nothing else: SQLite, librdkafka, its OpenSSL and zlib are linked into it, and
# librdkafka's C++ half is not used. This base has those three, the certificates of public authorities, and neither a
# shell nor a package manager. Its Debian release is the build's: glibc must not be older here.
FROM ${RUN_IMAGE}
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sockeye" \
      org.opencontainers.image.description="A chat backend that speaks the Socket.IO wire protocol" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# 65532 is the base image's user "nonroot", as a number: Kubernetes' runAsNonRoot cannot check a name.
COPY --from=build --chown=65532:65532 /out/data/ /data/
COPY --from=build /out/usr/local/bin/sockeye /usr/local/bin/sockeye
COPY --from=demo /src/client-js/demo/dist/ /srv/demo/
USER 65532:65532
# The C library gives large buffers (pictures on their way) back at once: docs/operating.md, "Memory".
ENV MALLOC_MMAP_THRESHOLD_=1048576
# The only place it writes to: everything else can be read-only.
ENV SOCKEYE_DATA_DIR=/data
VOLUME ["/data"]
# For clients; and, for those inside only, health and metrics.
EXPOSE 5000 9100
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/sockeye", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/sockeye"]
