#!/bin/sh
# Builds server, load tool and peer, and measures servers side by side. Arguments go to `bench compare`.
#   bench/run.sh [...]              Sockeye as one process, and the Node peer
#   bench/run.sh --cluster [...]    Sockeye as one process, and as a cluster over real servers started for this
set -eu
cd "$(dirname "$0")/.."

cluster=
if [ "${1:-}" = --cluster ]; then
    cluster=yes
    shift
fi

cargo build --release --package sockeye-bench
if [ -z "${SOCKEYE_BIN:-}" ]; then
    cargo build --release --package sockeye
    SOCKEYE_BIN="${CARGO_TARGET_DIR:-target}/release/sockeye"
    export SOCKEYE_BIN
fi
[ -n "$cluster" ] || [ -d bench/peer/node_modules ] || npm ci --prefix bench/peer --no-fund --no-audit

# Two descriptors a connection at most: one here, one in the server that inherits the limit.
ulimit -n 20000 2>/dev/null || ulimit -n "$(ulimit -Hn)"
if [ -n "$cluster" ]; then
    exec scripts/services run -- "${CARGO_TARGET_DIR:-target}/release/bench" compare "$@"
fi
exec "${CARGO_TARGET_DIR:-target}/release/bench" compare "$@"
