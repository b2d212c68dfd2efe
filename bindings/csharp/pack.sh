#!/bin/sh
# `pack.sh PREFIX FOLDER` lays out a Unity package and a NuGet project in FOLDER, each with the sources and the native
# library that `make install PREFIX=...` has installed there. For more platforms, run it again with their PREFIX and
# RID=win-x64, for example: it adds to what is there.
set -eu
prefix=$1
folder=$2
here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../../Cargo.toml")
unity=$folder/org.radam.optimizer
nuget=$folder/nuget

# The platform in .NET's words.
rid() {
	case $(uname -m) in
	x86_64) cpu=x64 ;;
	aarch64 | arm64) cpu=arm64 ;;
	*) cpu=$(uname -m) ;;
	esac
	case $(uname -s) in
	Darwin) echo "osx-$cpu" ;;
	*) echo "linux-$cpu" ;;
	esac
}

mkdir -p "$unity/Runtime" "$nuget/src"
cp -R "$here/src/." "$unity/Runtime"
cp -R "$here/src/." "$nuget/src"
cp "$here/packages/unity/Radam.asmdef" "$unity/Runtime"
sed "s/@VERSION@/$version/" "$here/packages/unity/package.json" > "$unity/package.json"
sed "s/@VERSION@/$version/" "$here/packages/nuget/Radam.csproj" > "$nuget/Radam.csproj"
for package in "$unity" "$nuget"; do
	cp "$here/README.md" "$here/../../CHANGELOG.md" "$here/../../LICENSE-MIT" "$here/../../LICENSE-APACHE" "$package"
done

RID=${RID:-$(rid)}
case $RID in
win-*) library=$prefix/bin/radam.dll ;;
osx-*) library=$prefix/lib/libradam.dylib ;;
*) library=$prefix/lib/libradam.so ;;
esac
case $RID in
*-x64) plugins=$unity/Runtime/Plugins/x86_64 ;; # a name that tells Unity the CPU
*) plugins=$unity/Runtime/Plugins/${RID#*-} ;;
esac
mkdir -p "$plugins" "$nuget/runtimes/$RID/native"
cp -L "$library" "$plugins"
cp -L "$library" "$nuget/runtimes/$RID/native/"
echo "$unity and $nuget, with the library for $RID"
