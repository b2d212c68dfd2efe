#!/bin/sh
# Makes FOLDER/julia, a Julia that runs: that of this Debian, or that of Debian 11 if it has none, as Debian 12.
# The lists of Debian 11 go to a folder of their own, and its packages are taken only where this Debian has none, so
# that nothing is replaced and apt-get knows afterwards what it knew before.
#
# usage: install_julia.sh FOLDER [SUDO]
#
# SPDX: MIT OR Apache-2.0
set -eu
folder=$1
sudo=${2-}
mkdir -p "$folder"
if [ -n "$(apt-cache madison julia)" ]; then
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends julia
  ln -sf "$(command -v julia)" "$folder/julia"
  exit
fi

work=$(mktemp -d)
trap '$sudo rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial"
. /etc/os-release
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
for suite in "$VERSION_CODENAME" bullseye; do
  echo "deb [signed-by=$keyring] $mirror $suite main"
done >"$work/suites.list"
printf 'Package: *\nPin: release n=bullseye\nPin-Priority: 100\n' >"$work/preferences"
mkdir "$work/none"
with_bullseye() {
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get \
    -o Dir::Etc::SourceList="$work/suites.list" -o Dir::Etc::SourceParts="$work/none" \
    -o Dir::Etc::Preferences="$work/preferences" -o Dir::Etc::PreferencesParts="$work/none" \
    -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work" -o APT::Sandbox::User=root "$@"
}
with_bullseye update
with_bullseye install -y --no-install-recommends --no-remove --no-upgrade julia

# Debian 11's Julia crashes with the libunwind of Debian 12 when an exception passes through a function that it has
# compiled. Its own is put where only this Julia looks.
(cd "$work" && with_bullseye download libunwind8/bullseye)
dpkg-deb --fsys-tarfile "$work"/libunwind8_*.deb |
  tar -x -C "$folder" --strip-components 4 --wildcards '*/libunwind.so.8*'
cat >"$folder/julia" <<END
#!/bin/sh
LD_LIBRARY_PATH="$(cd "$folder" && pwd)\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}" exec /usr/bin/julia "\$@"
END
chmod +x "$folder/julia"
