# SPDX-License-Identifier: Apache-2.0 OR MIT
# The verbs of pinion. `make help` lists them.

CARGO ?= cargo
STATIC = -C target-feature=+crt-static -C relocation-model=static
RELEASE = target/release
TESTS = $(CARGO) test --features _fault

.DEFAULT_GOAL := help
.PHONY: probe help setup build run test test-rust test-go test-rpc-race test-scenarios test-differential \
	test-gob-differential test-killed fuzz fuzz-selfcheck lint bench bench-start bench-memory bench-rpc clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{ printf "  make %-18s %s\n", $$1, $$2 }'

setup: ## install what building, testing and measuring need (Debian, as root)
	@.ci/setup

build: ## both programs, static, in target/release
	@.ci/setup build
	$(CARGO) rustc --release --bin pinion -- $(STATIC)
	$(CARGO) rustc --release --bin pinion-starter -- $(STATIC)

run: build ## start a container and let it show itself
	$(RELEASE)/pinion run -- sh -c 'echo "container: uid $$(id -u), gid $$(id -g), pid $$$$, host name $$(hostname)"; \
	  echo "namespaces:"; ls -l /proc/self/ns | sed -n "s/.* \([a-z_]*\) -> \(.*\)/  \1 \2/p"; \
	  echo "mounts:"; sed -E "s/^([^ ]* ){4}([^ ]*) ([^ ]*)( .*)? - ([^ ]*) .*/  \2 (\5, \3)/" /proc/self/mountinfo'

test: setup ## everything: unit, differential, scenarios, kill points, the programs
	@.ci/test

# `cargo test --test NAME` alone would take the example starter as it is.
probe:
	@$(CARGO) build --quiet --examples --features _fault

test-rust: ## unit tests and the tests of the programs
	$(TESTS)

test-go: ## unmodified Go programs against the core
	@$(CARGO) build --quiet
	cd go && PINION=$(CURDIR)/target/debug/pinion go test -count=1 ./...

test-rpc-race: ## 100,000 calls of Mkdir and Mount for each resolver, while attackers exchange what lies in the root
	PINION_RACE_CALLS=100000 $(TESTS) --test rpc_race -- --nocapture --test-threads 1

test-scenarios: probe ## the scenarios against the Rust starter, or the one that PINION_TEST_STARTER names
	$(TESTS) --test scenarios -- --nocapture

test-differential: ## bundles under crun and under pinion, compared
	$(TESTS) --test differential -- --nocapture

test-gob-differential: ## gob against Go's own: VALUES random values and as many changed streams (100000)
	PINION_GOB_VALUES=$(or $(VALUES),100000) $(TESTS) --test gob_differential -- --nocapture

test-killed: probe ## every process killed at every point: nothing may be left
	$(TESTS) --test killed -- --nocapture

fuzz: setup ## each fuzz target for T (60s, 20m …), with stable Rust; fails on a finding
	@rust/fuzz/fuzz.sh run $(or $(T),60s)

fuzz-selfcheck: setup ## each fuzz target must find a planted bug within 60 seconds
	@rust/fuzz/fuzz.sh selfcheck

lint: ## rustfmt, clippy with warnings denied, no unsafe code outside its room
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --features _fault -- -D warnings
	@if grep -rn unsafe rust --include=*.rs | grep -v '^rust/src/ffi'; then echo "unsafe code outside rust/src/ffi"; exit 1; fi

bench: bench-start bench-memory bench-rpc ## every measurement

bench-start: build $(RELEASE)/floor ## a start beside crun, runc, bwrap and a floor, in pairs
	@.ci/setup bench
	@rust/benches/start.sh $(RELEASE)

bench-memory: build ## private memory of the runtime processes of ten containers
	@.ci/setup bench
	@rust/benches/memory.sh $(RELEASE)

bench-rpc: build ## calls and the codec beside a bare socket pair and Go's own, on one CPU
	$(CARGO) rustc --release --example bench-rpc -- $(STATIC)
	@$(RELEASE)/examples/bench-rpc $(RELEASE)

$(RELEASE)/floor: c-tests/floor.c
	@mkdir -p $(RELEASE)
	$(CC) -std=c99 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -o $@ $<

clean: ## remove what was built
	$(CARGO) clean
