#!/bin/bash
# test.sh VENV: run every test there is. The board's go first, so that the output ends with
# the closing line of the many; without a kernel they are among the many, skipped with the reason.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$PWD/$1/bin/python

"$python" tools/fill_wheelhouse.py

board=0 others=0
if why=$(tests/board/kernel/build.sh --can); then
	tools/test_board.sh "$1" || board=$?
	"$python" -m pytest --ignore=tests/board || others=$?
else
	echo "tests/board: skipped: $why"
	NO_BOARD=$why "$python" -m pytest || others=$?
fi
[ $board = 0 ] || echo "tests/board failed on the test kernel: see above the other tests" >&2
exit $((others ? others : board))
