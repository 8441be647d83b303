#!/bin/bash
# debian_packages.sh PYTHON: install the programs that tests start, where we may;
# tests skip what is missing, so nothing here is an error.
set -euo pipefail

[ "$(id -u)" = 0 ] && [ -x /usr/bin/apt-get ] || exit 0

groups=(
	"indi-bin"
	"tmux strace psmisc iproute2"
	"systemd"
	"zsh fish"
	"linux-source-6.1 gcc make flex bison bc xz-utils"
)
# Headers for the interpreters that Debian itself packages: spidev is compiled.
headers=$("$1" -c 'import os, sysconfig
version, include = sysconfig.get_python_version(), sysconfig.get_path("include")
if include.startswith("/usr/include/") and not os.path.exists(f"{include}/Python.h"):
	print(f"python{version}-dev")')
[ -z "$headers" ] || groups+=("gcc $headers")

missing=()
for group in "${groups[@]}"; do
	for package in $group; do
		dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || {
			missing+=("$group")
			break
		}
	done
done
[ ${#missing[@]} -gt 0 ] || exit 0

mkdir -p build
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >/dev/null 2>&1 || echo "apt-get update failed: using the package lists that are here"
# Group by group, because one package that this Debian lacks would refuse them all.
for group in "${missing[@]}"; do
	echo "Installing Debian packages: $group"
	# shellcheck disable=SC2086
	apt-get install -qq -y --no-install-recommends $group >/dev/null 2>build/apt.log ||
		echo "not installed: $group: $(tail -n 1 build/apt.log)"
done
