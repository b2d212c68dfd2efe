#!/bin/sh
# Unpacks ensmallen's headers into a folder: from this Debian, or from Debian 13 if it has none, as Debian 12.
# The lists of Debian 13 go to a folder of their own, so that the system does not change.
#
# usage: fetch.sh FOLDER
#
# SPDX: MIT OR Apache-2.0
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial" "$1"

cd "$work"
if ! apt-get download libensmallen-dev 2>/dev/null; then
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  echo "deb [signed-by=$keyring] $mirror trixie main" >trixie.list
  trixie() {
    apt-get -o Dir::Etc::SourceList="$work/trixie.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$work/lists" \
      -o Dir::Cache="$work" -o APT::Sandbox::User=root "$@"
  }
  trixie update
  trixie download libensmallen-dev
fi
cd - >/dev/null
dpkg-deb --extract "$work"/libensmallen-dev_*.deb "$1"
