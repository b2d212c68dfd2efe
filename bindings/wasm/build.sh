#!/bin/sh
# Builds the npm package into a folder: bindings/wasm/build.sh FOLDER. Exits with 77 if no standard library for
# wasm32-unknown-unknown is at hand.
#
# rustup has one (rustup target add wasm32-unknown-unknown). Otherwise a compiler that has its own sources builds one:
# rustup's rust-src, or Debian's rustc-web and rust-web-src, which `make deps` installs.
set -eu
cd "$(dirname "$0")/../.."
package=$1
target=wasm32-unknown-unknown
cargo=${CARGO:-cargo}
rustc=${RUSTC:-rustc}
linker=$("$rustc" --print sysroot)/lib/rustlib/$("$rustc" --print host-tuple)/bin/rust-lld
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/wasm" # of its own, for which other builds need not wait

has_sources() {
  test -f "$("$1" --print sysroot)/lib/rustlib/src/rust/library/std/Cargo.toml"
}
set -- rustc --release --lib --crate-type cdylib --target $target
if ! test -d "$("$rustc" --print target-libdir --target $target)"; then
  if has_sources "$rustc"; then
    :
  elif test -x /usr/bin/rustc && has_sources /usr/bin/rustc; then
    rustc=/usr/bin/rustc
  else
    echo "no Rust standard library for $target, nor the sources of one: run rustup target add $target, or install" \
      "Debian's rustc-web and rust-web-src" >&2
    exit 77
  fi
  set -- "$@" -Zbuild-std=std,panic_abort
  export RUSTC_BOOTSTRAP=1
fi

# Vectors give the same bits: nothing here fuses a multiplication and an addition.
export RUSTC="$rustc" CARGO_PROFILE_RELEASE_STRIP=symbols \
  CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker" \
  CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="-Ctarget-feature=+simd128"
unset RUSTFLAGS CARGO_BUILD_TARGET
"$cargo" "$@"

mkdir -p "$package"
cp -R bindings/wasm/package.json bindings/wasm/README.md bindings/wasm/node.js bindings/wasm/browser.js \
  bindings/wasm/src LICENSE-* "$CARGO_TARGET_DIR/$target/release/radam.wasm" "$package"
