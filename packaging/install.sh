#!/bin/sh
# `install.sh install` copies the libraries, which cargo and prepare.sh have left in the folder $BUILT, with the headers,
# documents and what pkg-config and CMake read, to $DESTDIR$PREFIX. `install.sh uninstall` removes the same files.
# LIBDIR, INCLUDEDIR and DOCDIR can be set too.
set -eu
umask 022
action=$1
source=$(cd "$(dirname "$0")/.." && pwd)
libdir=${LIBDIR:-$PREFIX/lib}
includedir=${INCLUDEDIR:-$PREFIX/include}
docdir=${DOCDIR:-$PREFIX/share/doc/radam}
destdir=${DESTDIR:-}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$source/Cargo.toml")
soname=libradam.so.${version%.*}

fail() {
	echo "$1" >&2
	exit 1
}

# Puts the file FROM at TO, or removes it from there: put MODE FROM TO
put() {
	rm -f "$destdir$3" # a running program keeps the library that it has loaded
	if [ "$action" = install ]; then
		mkdir -p "$destdir$(dirname "$3")"
		cp "$2" "$destdir$3"
		chmod "$1" "$destdir$3"
	fi
}

# put_link TARGET TO
put_link() {
	rm -f "$destdir$2"
	if [ "$action" = install ]; then
		ln -s "$1" "$destdir$2"
	fi
}

# Puts the library FROM at TO, if cargo makes one of this name on this system.
put_library() {
	if [ "$action" = uninstall ] || [ -f "$2" ]; then
		put "$@"
	fi
}

libraries() {
	if [ "$action" = uninstall ] || [ -f "$BUILT/$soname" ]; then # Linux
		put 755 "$BUILT/libradam.so" "$libdir/libradam.so.$version"
		put_link "libradam.so.$version" "$libdir/$soname"
		put_link "$soname" "$libdir/libradam.so"
	else
		put_library 755 "$BUILT/libradam.so" "$libdir/libradam.so"
	fi
	put_library 755 "$BUILT/libradam.dylib" "$libdir/libradam.dylib"
	put_library 755 "$BUILT/radam.dll" "$PREFIX/bin/radam.dll"
	put_library 644 "$BUILT/libradam.dll.a" "$libdir/libradam.dll.a"
	put_library 644 "$BUILT/radam.dll.lib" "$libdir/radam.dll.lib"
	put_library 644 "$BUILT/package/libradam.a" "$libdir/libradam.a"
	put_library 644 "$BUILT/package/radam.lib" "$libdir/radam.lib"
}

# A folder as radam.pc writes it: from its own place, so that the installed files can be moved together.
relative() {
	case $1 in
	"$PREFIX"/*) echo "\${prefix}${1#"$PREFIX"}" ;;
	*) echo "$1" ;;
	esac
}

pkg_config_file() {
	prefix=$PREFIX
	case $libdir in
	"$PREFIX"/*) prefix="\${pcfiledir}$(echo "${libdir#"$PREFIX"}/pkgconfig" | sed 's|[^/][^/]*|..|g')" ;;
	esac
	cat <<-END
		prefix=$prefix
		libdir=$(relative "$libdir")
		includedir=$(relative "$includedir")

		Name: radam
		Description: $(sed -n 's/^description = "\(.*\)"/\1/p' "$source/Cargo.toml")
		Version: $version
		Cflags: -I\${includedir}
		Libs: -L\${libdir} -lradam
		Libs.private: $(cat "$BUILT/package/native-libraries")
	END
}

case $PREFIX:$libdir:$includedir:$docdir in
/*:/*:/*:/* | [A-Za-z]:[/\\]*) ;;
*) fail "PREFIX, LIBDIR, INCLUDEDIR and DOCDIR are $PREFIX, $libdir, $includedir and $docdir; they must be absolute" ;;
esac
pc=$destdir$libdir/pkgconfig/radam.pc
if [ "$action" = uninstall ]; then
	rm -f "$pc"
elif [ -f "$BUILT/package/native-libraries" ]; then
	mkdir -p "$(dirname "$pc")"
	pkg_config_file > "$pc"
else
	fail "there is nothing to install in $BUILT; run make build first, as a user who has cargo"
fi
libraries
for file in "$source"/packaging/cmake/*.cmake; do
	put 644 "$file" "$libdir/cmake/radam/$(basename "$file")"
done
for header in $(cd "$source/include" && find * -name '*.h*'); do
	put 644 "$source/include/$header" "$includedir/$header"
done
for adapter in "$source"/examples/engines/*/radam_*.hpp; do
	put 644 "$adapter" "$includedir/$(basename "$adapter")"
done
for file in README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE $(cd "$source" && echo docs/*.md); do
	put 644 "$source/$file" "$docdir/$file"
done
if [ "$action" = uninstall ]; then
	rmdir "$destdir$libdir/cmake/radam" "$destdir$includedir/radam" "$destdir$docdir/docs" \
		"$destdir$docdir" 2> /dev/null || true
fi
