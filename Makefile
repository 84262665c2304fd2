# make run    build everything and serve the demo on http://localhost:5000, embedded, nothing else needed
# make test   every test: Rust, real servers, wire protocol, real clients, contracts, browser, faults in short
# make test-faults  kills, cuts and pauses everything, in full (FAULTS="--times 10")
# make check  formats, lints, types, and what dependencies there are
# make audit  the same dependencies, against the newest advisories
# make fmt    formats in place
# make services  Kafka, MongoDB and Redis for tests, until Ctrl-C
# make check-packaging  Dockerfile, compose.yaml, nginx and the Helm chart, with the real tools
# make bench  load, side by side with a Node peer

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
# One thing at a time: tests with heartbeats do not like a machine that compiles beside them.
.NOTPARALLEL:
.PHONY: run build test test-tools test-build test-rust test-cluster test-protocol test-contracts test-demo test-faults test-faults-short planted check fmt audit bench tools services test-services check-packaging

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
test: test-rust test-cluster test-protocol test-contracts test-demo test-faults-short
	@echo "all tests passed"

# One set of features for all, so that nothing is built twice.
FEATURES := sockeye-adapters/services,sockeye-bench/services
CARGO_TEST := cargo test --workspace --locked --features $(FEATURES)
STORIES := stories_cluster stories_accounts stories_messages stories_pictures stories_presence stories_process stories_proof stories_recovery \
  order properties abuse_http abuse_socket crash
BIN := $(abspath $(TARGET))/debug/sockeye
PLANTED := $(abspath $(TARGET))/planted/sockeye
PROTOCOL := cd protocol-tests && SOCKEYE_BIN=$(BIN) CHROMIUM="$$(../scripts/chromium)"
# The real servers, a replica set of three, for the command that follows.
SERVERS := scripts/services run --mongo-members 3 kafka mongo redis s3 --

test-tools:
	@scripts/need cargo cc c++ perl node npm java mvn python3
	@scripts/chromium >/dev/null
	@scripts/services install >/dev/null

# Builds the binary too: tests of a package do.
test-build: test-tools
	$(CARGO_TEST) --no-run

# Everything that needs Rust and, for the cluster's adapters, the real servers.
test-rust: test-build $(DEMO)/dist/index.html bench/peer/node_modules/.installed
	SOCKEYE_BIN=$(BIN) $(SERVERS) $(CARGO_TEST)

# The stories again, on two gateways and a worker.
test-cluster: test-build
	SOCKEYE_TEST_SHAPE=cluster $(SERVERS) $(CARGO_TEST) $(STORIES:%=--test %) -- --include-ignored --test-threads 2

# The suite must pass against the Node server it describes, then against ours.
test-protocol: test-tools protocol-tests/node_modules/.installed $(DEMO)/node_modules/.installed
	cd protocol-tests && npm run --silent conformance -- --target reference
	cd protocol-tests && npm run --silent conformance -- --target sockeye

test-contracts: test-build protocol-tests/node_modules/.installed $(DEMO)/node_modules/.installed
	$(PROTOCOL) npm run --silent contracts
	$(PROTOCOL) ../scripts/services run -- npm run --silent contracts -- --shape cluster

test-demo: test-build $(DEMO)/dist/index.html
	cd $(DEMO) && npm test && SOCKEYE_BIN=$(BIN) CHROMIUM="$$(../../scripts/chromium)" npm run e2e

# Kills, cuts and pauses everything under load; and twice with a bug planted on purpose, which must be found.
test-faults: planted protocol-tests/node_modules/.installed
	$(PROTOCOL) SOCKEYE_PLANTED_BIN=$(PLANTED) npm run --silent faults -- $(FAULTS)

test-faults-short: planted protocol-tests/node_modules/.installed
	cd protocol-tests && npm run --silent faults:unit
	$(PROTOCOL) SOCKEYE_PLANTED_BIN=$(PLANTED) npm run --silent faults -- --short

planted: test-build
	$(CARGO_TEST),sockeye/planted-bugs --no-run --test layering
	mkdir -p $(dir $(PLANTED)) && cp $(BIN) $(PLANTED)
	$(CARGO_TEST) --no-run --test layering

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
	cargo clippy --workspace --all-targets --locked --features $(FEATURES) -- -D warnings
	cd protocol-tests && npm run --silent check
	cd $(DEMO) && npm run --silent check
	@scripts/audit --offline

check-packaging:
	scripts/check-packaging

fmt: tools protocol-tests/node_modules/.installed $(DEMO)/node_modules/.installed
	cargo fmt --all
	cd protocol-tests && npm run --silent fmt
	cd $(DEMO) && npm run --silent fmt

# Dependencies, with the newest advisories; what of it needs no network is part of check.
audit:
	@scripts/audit

bench: build
	bench/run.sh
