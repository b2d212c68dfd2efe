#!/bin/sh
# Unpacks Debian's Godot 4, and all that it needs, into a folder, since only Debian 14 has it and other releases of Debian
# cannot install it beside their own libraries. FOLDER/godot runs it, and the header of its C interface lies there too. The
# lists of packages go to a folder of their own, so that the system does not change.
#
# usage: fetch_godot.sh FOLDER
#
# SPDX: MIT OR Apache-2.0
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial" "$1"
folder=$(cd "$1" && pwd)

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keyring] $mirror forky main" >"$work/sources.list"
touch "$work/status" # of packages that are installed: none
packages() {
  apt-get -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$work/lists" \
    -o Dir::State::Status="$work/status" -o Dir::Cache="$work" -o APT::Sandbox::User=root "$@"
}
packages update
packages install --yes --download-only --no-install-recommends godot
for package in "$work"/archives/*.deb; do
  dpkg-deb --extract "$package" "$folder"
done
# A third of it draws by software, for which no test asks.
rm -rf "$folder"/usr/share/doc "$folder"/usr/lib/*/libLLVM* "$folder"/usr/lib/*/libgallium*

cat >"$folder/godot" <<'SCRIPT'
#!/bin/sh
# Runs Godot with the libraries that it was unpacked with.
usr=$(dirname "$(readlink -f "$0")")/usr
libraries=$(echo "$usr"/lib/*-linux-gnu*)
exec "$usr"/lib*/ld-linux*.so.* --library-path "$libraries:$libraries/pulseaudio" "$usr/bin/godot" "$@"
SCRIPT
chmod +x "$folder/godot"
cd "$folder"
HOME=$work ./godot --headless --dump-gdextension-interface
