#!/bin/sh
# emulate.sh TARGET LINKER EMULATOR PROGRAM...: builds for another architecture and runs there, under the emulator, the
# unit tests, goldens, determinism and checkpoint tests, or those in TESTS, and these C programs of tests/c.
#
# A standard library that rustup has not installed is built by a compiler that has its sources: rustup's rust-src, or
# Debian's rustc-web and rust-web-src, which `make deps` installs.
set -eu
cd "$(dirname "$0")/.."
target=$1 linker=$2 emulator=$3
shift 3
cargo=${CARGO:-cargo}
rustc=${RUSTC:-rustc}
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/emulated" # of its own, for which other builds need not wait

has_sources() {
  test -f "$("$1" --print sysroot)/lib/rustlib/src/rust/library/std/Cargo.toml"
}
build_std=
if ! test -d "$("$rustc" --print target-libdir --target "$target")"; then
  if has_sources "$rustc"; then
    :
  elif test -x /usr/bin/rustc && has_sources /usr/bin/rustc; then
    rustc=/usr/bin/rustc
  else
    echo "Rust has no standard library for $target, nor the sources of one: run rustup target add $target, or install" \
      "Debian's rustc-web and rust-web-src" >&2
    exit 1
  fi
  build_std=-Zbuild-std
  export RUSTC_BOOTSTRAP=1
fi

variables=CARGO_TARGET_$(echo "$target" | tr a-z- A-Z_)
export RUSTC="$rustc" RADAM_TEST_EMULATOR="$emulator" "${variables}_LINKER=$linker" "${variables}_RUNNER=$emulator"
unset RUSTFLAGS CARGO_BUILD_TARGET

# Two tests ask for more than an emulator has: one steps too many elements.
tests=${TESTS:---lib --test goldens --test determinism --test checkpoint}
# shellcheck disable=SC2086 # several words
"$cargo" test $build_std --target "$target" --no-fail-fast $tests \
  -- --skip tensors_of_more_than_2_to_the_32_elements

"$cargo" build $build_std --release --lib --target "$target"
built=$CARGO_TARGET_DIR/$target/release
# With the registers of x87, which Rust does not use, C compares doubles with constants of more digits.
case $target in i686-*) flags='-msse2 -mfpmath=sse' ;; *) flags= ;; esac
for program in "$@"; do
  echo "$program"
  # shellcheck disable=SC2086 # several words
  "$linker" $flags -static -std=c11 -O1 -pthread -Wall -Wextra -Wpedantic -Werror -Iinclude "tests/c/$program.c" \
    "$built/libradam.a" -lm -o "$built/$program"
  (cd "$built" && $emulator "./$program")
done
