#!/bin/sh
# Installs Julia with apt-get: from this Debian, or from Debian 11 if it has none, as Debian 12. It must be root.
# The lists of Debian 11 go to a folder of their own, and its packages are taken only where this Debian has none, so
# that nothing is replaced and apt-get knows afterwards what it knew before.
#
# SPDX: MIT OR Apache-2.0
set -eu
export DEBIAN_FRONTEND=noninteractive
if command -v julia >/dev/null || apt-get install -y --no-install-recommends julia 2>/dev/null; then
  exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial"
. /etc/os-release
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
for suite in "$VERSION_CODENAME" bullseye; do
  echo "deb [signed-by=$keyring] $mirror $suite main"
done >"$work/suites.list"
printf 'Package: *\nPin: release n=bullseye\nPin-Priority: 100\n' >"$work/preferences"
with_bullseye() {
  apt-get -o Dir::Etc::SourceList="$work/suites.list" -o Dir::Etc::SourceParts=- \
    -o Dir::Etc::Preferences="$work/preferences" -o Dir::Etc::PreferencesParts=- \
    -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work" -o APT::Sandbox::User=root "$@"
}
with_bullseye update
with_bullseye install -y --no-install-recommends --no-remove --no-upgrade julia
