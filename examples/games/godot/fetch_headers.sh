#!/bin/sh
# Unpacks the headers of GDNative into a folder, from the source package of Debian's Godot 3, and generates the one that
# is generated. The list of source packages goes to a folder of its own, so that the system does not change.
#
# usage: fetch_headers.sh FOLDER
#
# SPDX: MIT OR Apache-2.0
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial" "$1"
folder=$(cd "$1" && pwd)

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb-src [signed-by=$keyring] $mirror $release main" >"$work/sources.list"
sources() {
  apt-get -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$work/lists" \
    -o Dir::Cache="$work" -o APT::Sandbox::User=root "$@"
}
cd "$work"
sources update
sources source --download-only godot3
tar --extract --strip-components=1 --file godot*.orig.tar.* --wildcards \
  '*/modules/gdnative/include' '*/modules/gdnative/gdnative_*' '*/platform_methods.py' '*/LICENSE.txt'

cp -R modules/gdnative/include/. LICENSE.txt "$folder"
PYTHONPATH=$work:$work/modules/gdnative python3 -B -c '
import sys, gdnative_builders
gdnative_builders.build_gdnative_api_struct(sys.argv[1:3], sys.argv[3:], None)
' "$folder/gdnative_api_struct.gen.h" "$work/gdnative_api_struct.gen.cpp" modules/gdnative/gdnative_api.json
