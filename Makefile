# make run    build everything and serve the demo on http://localhost:5000, embedded, nothing else needed
# make test   every test: Rust, wire protocol, real clients, contracts, browser
# make check  formats, lints, types
# make fmt    formats in place
# make services  Kafka, MongoDB and Redis for tests, until Ctrl-C
# make check-packaging  Dockerfile, compose.yaml, nginx and the Helm chart, with the real tools
# make bench  load, side by side with a Node peer

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
# One thing at a time: tests with heartbeats do not like a machine that compiles beside them.
.NOTPARALLEL:
.PHONY: run build test test-tools test-rust test-protocol test-contracts test-demo check fmt audit bench tools services test-services check-packaging

TARGET := $(or $(CARGO_TARGET_DIR),target)
DEMO := client-js/demo

run: build
	@echo; echo "Open http://localhost:$${SERVER_PORT:-5000} in two browser windows (stop with Ctrl-C)"; echo
	SOCKEYE_STATIC_DIR=$${SOCKEYE_STATIC_DIR:-$(DEMO)/dist} $(TARGET)/release/sockeye

build: tools $(DEMO)/dist/index.html
	cargo build --release --locked -p sockeye

tools:
	@scripts/need cargo cc c++ perl node npm

# --- What npm installs: again only when the lock file changed.
%/node_modules/.installed: %/package-lock.json
	cd $* && npm ci --no-fund --no-audit --loglevel=error
	@touch $@

$(DEMO)/dist/index.html: $(DEMO)/node_modules/.installed $(shell find $(DEMO)/src $(DEMO)/public $(DEMO)/index.html -type f 2>/dev/null)
	cd $(DEMO) && npm run --silent build

# --- Tests
test: test-rust test-protocol test-contracts test-demo
	@echo "all tests passed"

test-tools:
	@scripts/need cargo cc c++ perl node npm java mvn python3
	@scripts/chromium >/dev/null
	@scripts/services install >/dev/null

test-rust: test-tools $(DEMO)/dist/index.html bench/peer/node_modules/.installed
	cargo build --locked -p sockeye
	SOCKEYE_BIN=$(abspath $(TARGET))/debug/sockeye cargo test --workspace --locked

# The suite must pass against the Node server it describes, then against ours.
test-protocol: test-tools protocol-tests/node_modules/.installed $(DEMO)/node_modules/.installed
	cd protocol-tests && npm run --silent conformance -- --target reference
	cd protocol-tests && npm run --silent conformance -- --target sockeye

test-contracts: test-tools protocol-tests/node_modules/.installed $(DEMO)/node_modules/.installed
	cargo build --locked -p sockeye
	cd protocol-tests && SOCKEYE_BIN=$(abspath $(TARGET))/debug/sockeye CHROMIUM="$$(../scripts/chromium)" \
	  npm run --silent contracts

test-demo: test-tools $(DEMO)/dist/index.html
	cargo build --locked -p sockeye
	cd $(DEMO) && npm test && SOCKEYE_BIN=$(abspath $(TARGET))/debug/sockeye CHROMIUM="$$(../../scripts/chromium)" npm run e2e

test-services:
	@scripts/need java mvn python3
	scripts/services_test.py

# --- Real servers for tests: docs/developing.md
services:
	@scripts/need java mvn python3
	@scripts/services run -- scripts/services.d/show

# --- Quality
check: tools protocol-tests/node_modules/.installed $(DEMO)/node_modules/.installed
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cd protocol-tests && npm run --silent check
	cd $(DEMO) && npm run --silent check

check-packaging:
	scripts/check-packaging

fmt: tools protocol-tests/node_modules/.installed $(DEMO)/node_modules/.installed
	cargo fmt --all
	cd protocol-tests && npm run --silent fmt
	cd $(DEMO) && npm run --silent fmt

audit:
	@scripts/need cargo-deny
	cargo deny check

bench: build
	bench/run.sh
