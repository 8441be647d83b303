#!/bin/bash
# build.sh: build a User-Mode Linux kernel and its device tree into $UML_OUT, unless
# they are there. build.sh --can: say in one line why that is impossible here, and exit 3.
# Debian: apt-get install linux-source-6.1 gcc make flex bison bc xz-utils
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
src=${UML_SOURCE:-/usr/src/linux-source-6.1.tar.xz}
out=${UML_OUT:-${XDG_CACHE_HOME:-$HOME/.cache}/core-uml}
jobs=${UML_JOBS:-$(nproc)}
made_from=$(cat "$here/build.sh" "$here/kernel.config" "$here/board.dts" | sha256sum)

is_built() {
	[ -x "$out/linux" ] && [ -e "$out/board.dtb" ] && [ "$(cat "$out/made-from" 2>&1)" = "$made_from" ]
}

can_build() {
	local missing=() tool
	if [ "$(uname -sm)" != "Linux x86_64" ]; then
		echo "the test kernel is built on Linux x86_64 only, this is $(uname -sm)"
		return 3
	fi
	for tool in gcc make flex bison bc xz; do
		type -p "$tool" >/dev/null || missing+=("$tool")
	done
	[ -e "$src" ] || missing+=("$src")
	if [ ${#missing[@]} -gt 0 ]; then
		echo "the test kernel cannot be built without ${missing[*]}" \
			"(apt-get install linux-source-6.1 gcc make flex bison bc xz-utils)"
		return 3
	fi
}

is_built || can_build
[ "${1-}" != --can ] || exit 0
! is_built || exit 0

mkdir -p "$out"
exec 9>"$out/lock"
if ! flock -n 9; then
	echo "Waiting for another build of the test kernel" >&2
	flock 9
	! is_built || exit 0
fi
echo "Building the test kernel in $out (2 to 4 minutes, once)" >&2
# The compiler's warnings are not about us.
exec 3>&2 >"$out/build.log" 2>&1
trap 'status=$?; [ $status = 0 ] || tail -n 30 "$out/build.log" >&3' EXIT
if [ ! -e "$out/src/.ready" ]; then
	rm -rf "$out/src" && mkdir -p "$out/src"
	tar -xf "$src" -C "$out/src" --strip-components=1
	# Let a device tree name one line as both MOSI and MISO: a loopback bus.
	sed -i 's/"miso", GPIOD_IN)/"miso", GPIOD_IN | GPIOD_FLAGS_BIT_NONEXCLUSIVE)/' \
		"$out/src/drivers/spi/spi-gpio.c"
	# gpio-sim's edge events wait for the next tick: 1 ms, not UML's fixed 10 ms.
	sed -i '/^config HZ$/,/default/s/default 100$/default 1000/' "$out/src/arch/um/Kconfig"
	# Processors with AMX have 11 KiB of extended registers; ptrace refuses to set a part of them.
	sed -i 's/HOST_FP_SIZE, 2696/HOST_FP_SIZE, 16384/' "$out/src/arch/x86/um/user-offsets.c"
	touch "$out/src/.ready"
fi
# Without the environment of a make above: its jobserver and variables are not ours.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
make=(nice make -s -C "$out/src" "O=$out/obj" ARCH=um "-j$jobs")
KCONFIG_ALLCONFIG=$here/kernel.config "${make[@]}" allnoconfig
# Kconfig drops in silence what depends on something that is off.
missing=$(grep '^CONFIG' "$here/kernel.config" | grep -vxFf "$out/obj/.config" || true)
[ -z "$missing" ] || { echo "not in the kernel's configuration: $missing" >&2; exit 1; }
"${make[@]}" linux
install -s "$out/obj/linux" "$out/linux"
"$out/obj/scripts/dtc/dtc" -q -I dts -O dtb -o "$out/board.dtb" "$here/board.dts"
echo "$made_from" >"$out/made-from"
