# SPDX-License-Identifier: Apache-2.0 OR MIT
# The verbs of pinion. `make help` lists them.

CARGO ?= cargo
# Of the checks that go vet has not; and the release of Go beside the installed one.
STATICCHECK = v0.8.2
GO_NEXT = go1.27.3
STATIC = -C target-feature=+crt-static -C relocation-model=static
RELEASE = target/release
VERSION = $(shell sed -n '/^version = /{s/.*"\(.*\)"/\1/p;q}' Cargo.toml)
LIBRARY = $(CARGO) rustc --lib --no-default-features $(if $(POLICY),--features c-policy) --crate-type staticlib --crate-type cdylib
# The shared library has the unwinder in itself: libgcc_s would add 0.1 ms to the start of every program. The archive leaves it to whoever links.
SHARED = -C link-arg=-Wl,-soname,libpinion.so.0 -l static:-bundle=gcc_eh
# The library that C's tests are linked with.
C = target/c
C_TESTS = $(patsubst c-tests/%.c,$(C)/tests/%,$(shell grep -l 'return done();' c-tests/*.c))
TESTS = $(CARGO) test --features _fault
# Go knows a build by the words of its commands, and would take a header or an archive that has changed for the one before.
digest = $(shell cat $(1) 2>/dev/null | sha256sum | cut -c1-16)
GO = cd go && PINION=$(CURDIR)/target/debug/pinion PKG_CONFIG_PATH=$(CURDIR)/$(C)/pkgconfig \
  CGO_CFLAGS='-g -O2 -DPINION_STAMP=0x$(call digest,include/pinion.h $(C)/libpinion.a)' \
  GOFLAGS="$$(go env GOFLAGS) -ldflags=-X=main.archiveOf=$(call digest,$(C)/libpinion.a)" go

.DEFAULT_GOAL := help
.PHONY: probe help setup build lib header generated install install-setuid vendor uninstall uninstall-setuid privileged-code run test test-rust test-go test-go-race test-go-next test-c test-c-library test-install \
	check-symbols check-linkers sanitize test-rpc-race test-scenarios test-differential \
	test-gob-differential test-killed test-random-kills test-instances test-privileges test-setters test-signals fuzz fuzz-selfcheck lint bench bench-start bench-memory bench-rpc bench-abi bench-go clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{ printf "  make %-18s %s\n", $$1, $$2 }'

setup: ## install what building, testing and measuring need (Debian, as root)
	@.ci/setup

build: lib ## the library for C, and both programs, static, in target/release
	$(CARGO) rustc --release --bin pinion -- $(STATIC)
	$(CARGO) rustc --release --bin pinion-starter -- $(STATIC)

lib: ## the library for C alone, with POLICY=1 one whose setuid starters obey /etc/pinion/policy.json; PKG_CONFIG_PATH=target/release/pkgconfig finds it
	@.ci/setup build
	$(LIBRARY) --profile library -- $(SHARED)
	@include/library.sh target/library $(RELEASE) $(VERSION)
	@awk -v version=$(VERSION) -f docs/man/pinion.3.awk include/pinion.h >$(RELEASE)/pinion.3

header: ## refresh the description of the C interface: include/pinion.h, pinion.symbols and pinion.abi
	@out=$$($(CARGO) check --lib --message-format=json | sed -n 's/.*"build-script-executed".*#libpinion@.*"out_dir":"\([^"]*\)".*/\1/p') && \
	  cp "$$out/pinion.h" include/pinion.h
	@$(MAKE) --no-print-directory lib
	@include/check-symbols.sh $(RELEASE) write

generated: ## refresh what is made from the code: docs/completions, docs/privileges.md
	PINION_WRITE=1 $(TESTS) --lib -- the_completions_are_the_commands the_privileges_page_is_the_contract

# What was built stays as it is, since root installs what a user has built.
INSTALLED = $(RELEASE)/pinion $(RELEASE)/pinion-starter $(RELEASE)/libpinion.a
install: $(if $(filter-out $(wildcard $(INSTALLED)),$(INSTALLED)),build) ## what `make build` makes, to PREFIX (/usr/local), LIBDIR (PREFIX/lib), below DESTDIR
	@PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' DESTDIR='$(DESTDIR)' include/install.sh install $(RELEASE) $(VERSION)

install-setuid: $(if $(wildcard $(RELEASE)/pinion-starter),,build) ## the starter a second time, as PREFIX/bin/pinion-starter-suid, setuid root; what it may do says /etc/pinion/policy.json
	@PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' DESTDIR='$(DESTDIR)' include/install.sh install-setuid $(RELEASE) $(VERSION)

vendor: lib ## the archive and its header into FOLDER, go/internal/capi of a vendored module, for the build tag pinion_vendored
	@PKG_CONFIG_PATH=$(CURDIR)/$(RELEASE)/pkgconfig include/vendor.sh "$(FOLDER)"

uninstall: ## remove what `make install` and `make install-setuid` have installed
	@PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' DESTDIR='$(DESTDIR)' include/install.sh uninstall $(RELEASE) $(VERSION)

uninstall-setuid: ## remove PREFIX/bin/pinion-starter-suid alone
	@PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' DESTDIR='$(DESTDIR)' include/install.sh uninstall-setuid $(RELEASE) $(VERSION)

privileged-code: ## the functions that run with root's saved id, and their lines; fails above 1,000
	@include/privileged-code.sh

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

test-c-library:
	@$(LIBRARY) --quiet --features _fault --target-dir $(C)/cargo -- $(SHARED)
	@include/library.sh $(C)/cargo/debug $(C) $(VERSION)
	@mkdir -p $(C)/tests

$(C)/tests/%: c-tests/%.c test-c-library
	@$(CC) -std=c11 -D_GNU_SOURCE -DPINION_FAULT -g -O2 -pthread -Wall -Wextra -Werror $< -o $@ \
	  $$(PKG_CONFIG_PATH=$(C)/pkgconfig pkg-config --cflags --libs --static pinion)

test-c: $(C_TESTS) ## the C interface from C
	PKG_CONFIG_PATH=$(CURDIR)/$(C)/pkgconfig prove -e '' c-tests/headers.sh $(C_TESTS)

test-install: build ## an installation, programs built from it, and its removal
	prove -e '' c-tests/install.sh

check-symbols: lib ## what the library exports, against include/pinion.symbols and pinion.abi, and what a loader and a linker see of it
	@include/check-symbols.sh $(RELEASE)

check-linkers: lib test-c-library ## the library linked by every linker, in every way, beside another Rust archive
	@c-tests/linkers.sh $(RELEASE) $(C)

sanitize: test-c-library ## the tests of the C interface under AddressSanitizer, UndefinedBehaviorSanitizer and valgrind
	@c-tests/sanitize.sh $(C) $(notdir $(C_TESTS))

test-go: test-c-library ## the Go bindings, and unmodified Go programs against the core
	@$(CARGO) build --quiet
	@cd go && unformatted=$$(gofmt -l .) && [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted"; exit 1; }
	cd go && CGO_ENABLED=0 go build ./engine/... ./launch/
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK) ./...
	$(GO) test -count=1 ./...

test-go-race: test-c-library ## the Go bindings under the race detector
	$(GO) test -race -count=1 ./core ./engine/... ./launch ./internal/reflectrpc ./internal/starting

test-go-next: test-c-library ## the Go bindings with the next release of Go, which the go command fetches
	@$(CARGO) build --quiet
	export GOTOOLCHAIN=$(GO_NEXT); $(GO) vet ./...
	export GOTOOLCHAIN=$(GO_NEXT); $(GO) test -count=1 ./...

test-rpc-race: ## 100,000 calls of Mkdir and Mount for each resolver, while attackers exchange what lies in the root
	PINION_RACE_CALLS=100000 $(TESTS) --test rpc_race -- --nocapture --test-threads 1

test-scenarios: probe ## the scenarios against the starters in Rust, C and Go, or the one that PINION_TEST_STARTER names
	$(TESTS) --test scenarios -- --nocapture

test-differential: ## bundles under crun and under pinion, compared
	$(TESTS) --test differential -- --nocapture

test-gob-differential: ## gob against Go's own: VALUES random values and as many changed streams (100000)
	PINION_GOB_VALUES=$(or $(VALUES),100000) $(TESTS) --test gob_differential -- --nocapture

test-killed: probe ## every process killed at every point, each one not made, each callback hanging: nothing may be left
	PINION_KILLED=all $(TESTS) --test killed -- --nocapture

test-random-kills: probe ## any process of each flow killed at R random moments (1000): nothing may be left; SEED repeats the draws
	PINION_KILLS=$(or $(R),1000) $(if $(SEED),PINION_SEED=$(SEED)) $(TESTS) --test random_kills -- --nocapture

test-instances: ## N instances at once (512), ROUNDS rounds (50) of 64 starts at once, and everything else that is done with instances
	PINION_INSTANCES=$(or $(N),512) PINION_ROUNDS=$(or $(ROUNDS),50) PINION_AT_ONCE=64 $(TESTS) --test instances -- --nocapture --test-threads 1

test-privileges: probe ## every process in every callback of every flow against its row of the contract, Rust, C and Go; root without each capability in turn
	PINION_PRIVILEGES=all $(TESTS) --test privileges -- --nocapture
	PINION_PRIVILEGES=all $(TESTS) --test scenarios root_that_lacks -- --nocapture

test-setters: probe ## every setter of the starter configuration in every flow: its effect seen from outside, or the refusal; Rust, C and Go
	PINION_SETTERS=all $(TESTS) --test setters -- --nocapture

test-signals: ## docs/signals.md on a pseudo-terminal, every exit code, every death by a signal, the end after a SIGTERM
	PINION_SIGNALS=all $(TESTS) --test signals -- --nocapture

fuzz: setup ## each fuzz target, or TARGET, for T (60s, 20m …), with stable Rust; fails on a finding
	@rust/fuzz/fuzz.sh run $(or $(T),60s) $(TARGET)

fuzz-selfcheck: setup ## each fuzz target must find a planted bug within 60 seconds
	@rust/fuzz/fuzz.sh selfcheck

lint: ## rustfmt, clippy with warnings denied, little privileged code, no unsafe code and no cgo outside their rooms
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --features _fault -- -D warnings
	@include/privileged-code.sh >/dev/null
	@if grep -rn unsafe rust --include=*.rs | grep -v '^rust/src/ffi'; then echo "unsafe code outside rust/src/ffi"; exit 1; fi
	@if grep -rln 'import "C"' go --include=*.go | grep -v -e '^go/internal/capi/' -e '^go/starter/boot/'; then echo "cgo outside its two packages"; exit 1; fi

bench: bench-start bench-memory bench-rpc bench-abi bench-go ## every measurement

bench-start: build $(RELEASE)/floor ## a start beside crun, runc, bwrap and a floor, in pairs
	$(CARGO) rustc --release --features _unenforced --target-dir target/unenforced --bin pinion-starter -- $(STATIC)
	@cp target/unenforced/release/pinion-starter $(RELEASE)/unenforced
	@.ci/setup bench
	@rust/benches/start.sh $(RELEASE)

bench-memory: build ## private memory of the runtime processes of ten containers
	@.ci/setup bench
	@rust/benches/memory.sh $(RELEASE)

bench-rpc: build ## calls and the codec beside a bare socket pair and Go's own, on one CPU
	$(CARGO) rustc --release --example bench-rpc -- $(STATIC)
	@$(RELEASE)/examples/bench-rpc $(RELEASE)

bench-abi: lib ## the C interface: a call, a start by a starter in C beside one in Rust, sizes
	@.ci/setup
	$(CARGO) rustc --release --example starter -- $(STATIC)
	@rust/benches/abi.sh $(RELEASE)

bench-go: lib ## the Go bindings: registry, a callback, a start with the RPC server in the core and in Go, sizes
	@.ci/setup bench
	@rust/benches/go.sh $(RELEASE)

$(RELEASE)/floor: c-tests/floor.c
	@mkdir -p $(RELEASE)
	$(CC) -std=c99 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -o $@ $<

clean: ## remove what was built
	$(CARGO) clean
