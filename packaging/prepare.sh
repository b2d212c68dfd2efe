#!/bin/sh
# prepare.sh BUILT [TARGET] prepares what `cargo build --release --lib` has left in the folder BUILT, for a Rust target if
# not for this machine. Writes into BUILT/package:
#   libradam.a or radam.lib   the static library; on Linux, with radam_* as its only symbols
#   native-libraries          what a program linked with it needs besides, as rustc says
# Needs rustc and, on Linux, a C compiler and GNU binutils. CC, LD, OBJCOPY and AR can be set for another target.
set -eu
built=$1
target=${2:-}
package=$built/package
rustc=${RUSTC:-rustc}
if [ "$package/native-libraries" -nt "$built/libradam.rlib" ] && [ "$package/native-libraries" -nt "$0" ]; then
	exit # prepared already, by this script
fi
mkdir -p "$package"
scratch=$(mktemp -d "$package/unfinished.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# Asks about a library that has nothing but radam in it: asking about radam itself would compile it again. When
# cross-compiling, the macros that radam's crates use are in this machine's folder.
list_native_libraries() {
	echo 'extern crate radam;' | "$rustc" --crate-name native_libraries --crate-type staticlib \
		${target:+--target "$target" -L dependency="$built/../../release/deps"} \
		-L dependency="$built/deps" --extern radam="$built/libradam.rlib" \
		--print native-static-libs="$scratch/all" -o "$scratch/native_libraries.a" - \
		2> "$scratch/errors" || { cat "$scratch/errors" >&2; exit 1; }
	# Compilers link the unwinder by themselves, and know which one a program has without shared libraries.
	sed 's/-lgcc_s *//; s/-lunwind *//' "$scratch/all" > "$scratch/native-libraries"
}

# For musl, Rust brings an unwinder of its own, since there may be none for musl on the machine. It goes into the library.
unwinder() {
	if grep -q -- -lunwind "$scratch/all"; then
		echo "$("$rustc" --print target-libdir ${target:+--target "$target"})/self-contained/libunwind.a"
	fi
}

# The library that cargo writes lets everyone see all that is in it, Rust's standard library too. Two libraries with
# Rust in them, or two plugins with different versions of radam, would then take each other's functions, or not link.
# So:
# - everything becomes one object, without what radam_* does not reach;
# - radam_* becomes hidden (the strictest visibility among all mentions counts): a program or a plugin sees it, and
#   nobody else does through them; everything else becomes local;
# - section groups go, since another library's group of the same name would replace ours;
# - bitcode and debug information, four fifths of the size, are dropped.
# The sections stay apart, so that a program can still drop what it does not use (--gc-sections).
make_symbols_private() {
	readelf --syms --wide "$built/libradam.a" |
		awk '$5 == "GLOBAL" && $7 != "UND" && $8 ~ /^radam_/ { print $8 }' > "$scratch/names"
	{
		sed 's/^/.hidden /' "$scratch/names"
		echo '.section .note.GNU-stack,"",%progbits'
	} > "$scratch/hidden.s"
	${CC:-cc} -c "$scratch/hidden.s" -o "$scratch/hidden.o"
	${LD:-ld} -r --gc-sections --force-group-allocation $(sed 's/^/--undefined=/' "$scratch/names") \
		"$scratch/hidden.o" --whole-archive "$built/libradam.a" $(unwinder) -o "$scratch/whole.o"
	${OBJCOPY:-objcopy} --wildcard --keep-global-symbol='radam_*' --strip-unneeded \
		--remove-section=.llvmbc --remove-section=.llvmcmd "$scratch/whole.o" "$scratch/radam.o"
	${AR:-ar} crsD "$scratch/libradam.a" "$scratch/radam.o"
}

list_native_libraries
if ls -d "$built"/libradam.so.* > /dev/null 2>&1; then # the link that build.rs makes on Linux
	make_symbols_private
elif [ -f "$built/radam.lib" ]; then # Windows with MSVC
	cp "$built/radam.lib" "$scratch"
else
	cp "$built/libradam.a" "$scratch"
fi
mv "$scratch"/*radam.[al]* "$scratch/native-libraries" "$package"
