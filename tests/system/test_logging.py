"""What runs log, and where: files, JSON, systemd's journal, levels that a reload changes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import CORECTL, SECONDS, Serve, Start, wait_until
from tests.system.test_isolated import wait_for_state

pytestmark = pytest.mark.system

JOURNALD = Path("/usr/lib/systemd/systemd-journald")

CONFIGURATION = """
[core]
log_file = "logs/core.log"
{more}
[device.matrix]
plugin = "gpio-matrix"
[program.spiral]
device = "matrix"
[transport.server]
port = 0
[transport.camera]
type = "driver"
command = "sh -c 'echo one >&2; echo \\"<3>two\\" >&2; cat'"
"""


def configuration(more: str = "") -> str:
    return CONFIGURATION.format(more=more)


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_file_has_what_the_run_its_devices_and_drivers_say(start: Start, tmp_path: Path) -> None:
    run = start("--log-json", configuration=configuration())
    run.log.until("two")
    assert run.end() == 0
    found = {line["message"]: line for line in entries(tmp_path / "logs/core.log")}
    assert found["program spiral on matrix"]["plugin"] == "gpio-matrix"
    assert found["matrix: simulated 5x5 matrix"]["logger"] == "core.run"
    assert (found["camera: one"]["instance"], found["camera: one"]["level"]) == ("camera", "info")
    assert found["camera: two"]["level"] == "error"
    # People's lines stay as they are on stdout; stderr is JSON alone.
    run.output.until("^matrix: simulated")
    assert all(json.loads(line)["run"] == "core" for line in run.log.all)


def test_plain_lines_in_a_file_have_date_and_offset(start: Start, tmp_path: Path) -> None:
    run = start("--log-file", "plain.log", "--log-level", "camera=error", configuration=configuration())
    run.log.until("ERROR camera: two")
    assert run.end() == 0
    text = (tmp_path / "plain.log").read_text()
    assert " ERROR camera: two\n" in text
    assert "camera: one" not in text
    assert text.splitlines()[0][:4].isdigit()
    assert not (tmp_path / "logs").exists()


def test_everything_in_one_stream_is_json(start: Start, tmp_path: Path) -> None:
    (tmp_path / "core.toml").write_text(configuration())
    run = start("--stdin", "matrix", "--log-json", "--log-file", "")
    run.process.wait(SECONDS)
    run.log.until("INDI")
    assert {json.loads(line)["logger"] for line in run.log.all} >= {"core.run"}
    assert not (tmp_path / "logs").exists()


def test_a_full_disk_stops_nothing(start: Start) -> None:
    run = start("--log-file", "/dev/full", configuration=configuration('log_level = "debug"'))
    run.log.until("WARNING the log file /dev/full cannot be written: No space left on device")
    run.log.until("ERROR camera: two")
    assert run.corectl("status").returncode == 0
    assert run.end() == 0


def test_a_reload_changes_what_is_logged_and_where(start: Start, tmp_path: Path) -> None:
    isolated = '[device.apart]\nplugin = "gpio-matrix"\nisolate = true\n'
    run = start(configuration=configuration() + isolated)
    assert run.port
    wait_for_state(tmp_path, "apart", "ready")
    log = tmp_path / "logs/core.log"
    wait_until(lambda: log.exists() and "spiral" in log.read_text(), "the first file")
    changed = 'log_level = "error"\nlog_levels = { matrix = "info" }\nlog_json = true\n'
    (tmp_path / "core.toml").write_text(configuration(changed).replace("core.log", "new.log") + isolated)
    done = run.corectl("reload", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["core"] == ["log_level", "log_levels", "log_file", "log_json"]
    assert (answer["reopened"], answer["restart"]) == ([], [])
    for device in ("apart", "matrix"):
        assert run.corectl("program", "start", device, "heartbeat", "--if-busy", "take-over").returncode == 0
    new = tmp_path / "logs/new.log"
    wait_until(lambda: any("heartbeat" in one["message"] for one in entries(new)), "the second file")
    assert {one["instance"] for one in entries(new)} == {"matrix"}
    (tmp_path / "core.toml").write_text(configuration('log_level = "info"').replace("core.log", "new.log") + isolated)
    assert "[core] log_level: applied" in run.corectl("reload").stdout
    assert run.corectl("program", "start", "apart", "spiral", "--if-busy", "take-over").returncode == 0
    run.log.until("INFO apart: program spiral on apart")
    assert run.end() == 0


def test_an_option_holds_over_a_reload(start: Start, tmp_path: Path) -> None:
    run = start("--log-level", "error", configuration=configuration())
    assert run.port
    (tmp_path / "core.toml").write_text(configuration('log_level = "debug"'))
    assert run.corectl("reload").stdout == "nothing has changed\n"
    assert run.end() == 0


def test_a_misspelt_name_is_said(start: Start) -> None:
    run = start(configuration=configuration('log_levels = { matrxi = "debug", "core.router" = "debug" }'))
    run.output.until("a log level is given for 'matrxi', which is neither .*; did you mean 'matrix'")
    assert run.port
    assert run.end() == 0
    assert not any("core.router" in line for line in run.output.all)


def test_a_wrong_level_is_one_sentence(start: Start) -> None:
    run = start("--log-level", "matrix=lod", configuration=configuration())
    assert run.process.wait(SECONDS) == 2
    run.log.until("'lod' is no level; debug, info, warning, error is allowed")


def test_a_server_logs_to_a_file_too(serve: Serve, home: Path) -> None:
    log = home / "serve.log"
    server = serve("-p", "0", "--log-json", "--log-file", log, "--", "sh -c 'echo hello >&2; cat'")
    assert json.loads(server.log.until("INDI server").string)["run"] == "core"
    wait_until(lambda: any("INDI server" in one["message"] for one in entries(log)), "the file")


IN_A_JOURNAL = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/log/journal
{journald} >/run/journald.out 2>&1 &
journald=$!
trap 'kill $journald' EXIT
i=0
until systemd-cat true 2>/dev/null; do
  i=$((i + 1)); [ $i -lt 5000 ] || {{ cat /run/journald.out >&2; exit 9; }}
done
{command} &
run=$!
i=0
while ! journalctl -D /run/log/journal CORE_INSTANCE=camera PRIORITY=3 -o cat -q 2>/dev/null | grep -q two; do
  i=$((i + 1)); [ $i -lt 500 ] || {{ cat /run/journald.out >&2; exit 8; }}
done
kill $run
wait $run || :
journalctl -D /run/log/journal -o json -q
"""


def in_a_journal(tmp_path: Path, command: str) -> list[dict[str, Any]]:
    """Run a command beside a systemd-journald of its own, and return what that has taken."""
    if not JOURNALD.exists() or shutil.which("unshare") is None or shutil.which("journalctl") is None:
        pytest.skip("systemd-journald, journalctl or unshare is not installed")
    if subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/run"], capture_output=True).returncode:
        pytest.skip("this user may make no mount namespace of its own")
    script = IN_A_JOURNAL.format(journald=JOURNALD, command=command)
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c", script],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("as_a_service", [False, True])
def test_the_journal_gets_priority_and_instance(tmp_path: Path, as_a_service: bool) -> None:
    wanted = "" if as_a_service else "log_journal = true"
    (tmp_path / "core.toml").write_text(configuration(wanted))
    command = f"{CORECTL} run --plain core.toml"
    if as_a_service:
        # Both connect stdout and stderr, and say so, as systemd does for a service.
        command = f"systemd-cat sh -c 'exec env JOURNAL_STREAM=$(stat -Lc %d:%i /proc/$$/fd/2) {command}'"
    found = in_a_journal(tmp_path, command)
    lines = [one for one in found if one.get("SYSLOG_IDENTIFIER") == "corectl"]
    by_text = {one["MESSAGE"]: one for one in lines}
    assert len(by_text) == len(lines), "nothing is told twice"
    error = by_text["camera: two"]
    assert (error["PRIORITY"], error["CORE_INSTANCE"], error["CORE_RUN"]) == ("3", "camera", "core")
    assert error["_TRANSPORT"] == "journal"
    program = by_text["program spiral on matrix"]
    assert (program["PRIORITY"], program["CORE_PLUGIN"]) == ("6", "gpio-matrix")
    assert "matrix: simulated 5x5 matrix" in {one["MESSAGE"] for one in found}
