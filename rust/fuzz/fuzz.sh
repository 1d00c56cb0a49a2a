#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Builds and runs the fuzz targets with stable Rust: `fuzz.sh run TIME [TARGET]` each or one for TIME (60s, 20m), `fuzz.sh selfcheck` each with a bug
# planted that it must find within 60 seconds. New inputs go to target/fuzz, findings too; the corpus stays as it is.
set -eu
cd "$(dirname "$0")/../.."
tree=$PWD
host=$(rustc -vV | sed -n 's/^host: //p')
targets=${3:-gob_decode gob_vs_go rpc_session rpc_client c_abi_sequence}
export CARGO_TARGET_DIR="$tree/target/fuzz"
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
export PINION_GOBORACLE="$CARGO_TARGET_DIR/goboracle"

# build TREE TARGET: only with --target are build scripts left without coverage.
build() {
	if [ "$2" = c_abi_sequence ]; then
		build_c "$1"
	else
		cargo build --quiet --release --target "$host" --manifest-path "$1/rust/fuzz/Cargo.toml" --bin "$2"
	fi
}

# The C interface is called from C, with the archive as programs get it and the address sanitizer around.
build_c() {
	(
		export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_STRIP=none
		export CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true
		cargo rustc --quiet --release --target "$host" --manifest-path "$1/Cargo.toml" --lib --crate-type staticlib --no-default-features
		# libFuzzer itself, which another target brings.
		cargo build --quiet --release --target "$host" --manifest-path "$tree/rust/fuzz/Cargo.toml" --bin gob_decode
	)
	built="$CARGO_TARGET_DIR/$host/release"
	fuzzer=$(ls -t "$built"/build/libfuzzer-sys-*/out/libfuzzer.a | head -1)
	cc -std=c99 -D_GNU_SOURCE -g -O1 -fsanitize=address -I"$tree/include" -c -o "$built/c_abi_sequence.o" "$1/c-tests/fuzz_abi.c"
	c++ -fsanitize=address -o "$built/c_abi_sequence" "$built/c_abi_sequence.o" "$built/libpinion.a" "$fuzzer" -lpthread -ldl -lm
}

# fuzz TARGET SECONDS: leaves libFuzzer's last words in $log.
fuzz() {
	work="$CARGO_TARGET_DIR/work/$1"
	log="$work/log"
	mkdir -p "$work/new" "$work/found"
	"$CARGO_TARGET_DIR/$host/release/$1" -max_total_time="$2" -max_len=4096 -rss_limit_mb=1024 -malloc_limit_mb=64 \
		-timeout=20 -print_final_stats=1 -artifact_prefix="$work/found/" "$work/new" "$tree/rust/fuzz/corpus/$1" >"$log" 2>&1
}

# number NAME: from libFuzzer's statistics.
number() { sed -n "s/^stat::$1: *//p" "$log"; }

(cd go && go build -o "$PINION_GOBORACLE" ./internal/goboracle)
case "$1" in
run)
	case "$2" in
	*m) seconds=$((${2%m} * 60)) ;;
	*) seconds=${2%s} ;;
	esac
	for target in $targets; do
		build "$tree" "$target"
		if ! fuzz "$target" "$seconds"; then
			tail -40 "$log"
			echo "$target: a finding in $work/found" >&2
			exit 1
		fi
		coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
		echo "$target: $(number number_of_executed_units) executions, $(number average_exec_per_sec) a second," \
			"$(number new_units_added) new units, coverage $coverage edges"
	done
	;;
selfcheck)
	# Each bug is one changed line in a copy of the tree, so that the product has no room for it.
	copy="$CARGO_TARGET_DIR/planted"
	plant() { # TARGET FILE SED
		rm -rf "$copy"
		mkdir -p "$copy/rust/fuzz"
		cp -R "$tree/Cargo.toml" "$tree/Cargo.lock" "$tree/build.rs" "$tree/include" "$tree/c-tests" "$copy/"
		(cd "$tree/rust" && tar cf - --exclude=./fuzz/corpus .) | (cd "$copy/rust" && tar xf -)
		sed -i "$3" "$copy/rust/src/$2"
		if cmp -s "$copy/rust/src/$2" "$tree/rust/src/$2"; then
			echo "$1: the bug has no place in $2 any more" >&2
			exit 1
		fi
		build "$copy" "$1"
		start=$(date +%s)
		if fuzz "$1" 60; then
			echo "$1: the bug in $2 was not found in 60 seconds" >&2
			exit 1
		fi
		echo "$1: the bug in $2 was found after $(($(date +%s) - start)) seconds"
		rm -rf "$work/found" "$work/new"
	}
	plant gob_decode gob/value.rs 's/let count = reader.count("slice")?;/let count = reader.uint()? as usize; drop(Vec::<u8>::with_capacity(count));/'
	plant gob_vs_go gob/serde/de.rs 's/visitor.$visit($ty::try_from(number).map_err(|_| self.overflow($go))?)/visitor.$visit(number as $ty)/'
	plant rpc_session rpc/server.rs 's/Err(error) => (None, service.find([^)]*).and(Err(error.to_string()))),/Err(error) => (None, Err(error.to_string())),/'
	plant c_abi_sequence ffi/abi/adapter.rs 's/let _ = handle::take_shared(std::ptr::with_exposed_provenance_mut::<pinion_common>(self.0));/let _ = self.0;/'
	plant rpc_client rpc/client.rs 's/self.awaited.remove(place);/let _ = place;/'
	;;
esac
