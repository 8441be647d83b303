#!/bin/bash
# test_board.sh VENV: run tests/board in one boot of the test kernel, which is built when needed.
# Exit with pytest's status, or with 3 when the kernel cannot be built here.
set -euo pipefail
cd "$(dirname "$0")/.."
kernel=tests/board/kernel

"$kernel/build.sh"
# The guest's memory is a file that must be executable, which /dev/shm is not everywhere.
export TMPDIR=${TMPDIR:-/tmp}
# What tests write goes to the guest's own memory: the host's files that it sees hold no sockets.
exec "$kernel/run.sh" env TMPDIR=/run XDG_RUNTIME_DIR=/run PYTHONDONTWRITEBYTECODE=1 \
	"$PWD/$1/bin/python" -m pytest -p no:cacheprovider tests/board
