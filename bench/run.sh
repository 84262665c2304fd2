#!/bin/sh
# Builds server, load tool and peer, and measures the two servers side by side. Arguments go to `bench compare`.
set -eu
cd "$(dirname "$0")/.."

cargo build --release --package sockeye-bench
if [ -z "${SOCKEYE_BIN:-}" ]; then
    cargo build --release --package sockeye
    SOCKEYE_BIN="${CARGO_TARGET_DIR:-target}/release/sockeye"
    export SOCKEYE_BIN
fi
[ -d bench/peer/node_modules ] || npm ci --prefix bench/peer --no-fund --no-audit

# Two descriptors a connection at most: one here, one in the server that inherits the limit.
ulimit -n 20000 2>/dev/null || ulimit -n "$(ulimit -Hn)"
exec "${CARGO_TARGET_DIR:-target}/release/bench" compare "$@"
