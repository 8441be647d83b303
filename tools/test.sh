#!/bin/bash
# test.sh VENV: run every test there is. The board's run beside the many, since the test kernel
# takes one CPU and as long; their output comes last. Without a kernel they are among the many,
# skipped with the reason.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$PWD/$1/bin/python

"$python" tools/fill_wheelhouse.py

board=0 others=0
if why=$(tests/board/kernel/build.sh --can); then
	log=$(mktemp)
	# A session of its own, to be ended as a whole; beside the others it takes longer.
	UML_TIMEOUT=${UML_TIMEOUT:-1500} setsid tools/test_board.sh "$1" >"$log" 2>&1 </dev/null &
	guest=$!
	trap 'pkill -TERM -s "$guest" || true; rm -f "$log"' EXIT
	trap 'exit 130' INT TERM
	"$python" -m pytest --ignore=tests/board || others=$?
	wait "$guest" || board=$?
	cat "$log"
else
	echo "tests/board: skipped: $why"
	NO_BOARD=$why "$python" -m pytest || others=$?
fi
[ $board = 0 ] || echo "tests/board failed on the test kernel" >&2
[ $others = 0 ] || echo "other tests failed: see above those of the test kernel" >&2
exit $((others ? others : board))
