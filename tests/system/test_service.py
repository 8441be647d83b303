"""`corectl service` and `corectl completion`, with the systemd-analyze and the shells of this machine."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from core.errors import ConfigError
from core.systemd_unit import Unit, unit_name
from tests.system.conftest import CORECTL, SECONDS, Start, wait_until

pytestmark = pytest.mark.system

CONFIGURATION = '[device.matrix]\nplugin = "gpio-matrix"\n'


def corectl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    homes = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(folder))
    environment = {**os.environ, **homes, "SUDO_USER": "", "PATH": f"{CORECTL.parent}:{os.environ['PATH']}"}
    return subprocess.run(
        [CORECTL, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS
    )


def verified(path: Path, *scope: str) -> list[str]:
    """Return what systemd itself finds wrong with a unit."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed (Debian: apt-get install systemd)")
    done = subprocess.run(
        [program, *scope, "verify", "--man=no", str(path)], capture_output=True, text=True, timeout=SECONDS
    )
    return [line for line in done.stderr.splitlines() if path.name in line]


@pytest.mark.parametrize("scope", ["--system", "--user"])
def test_the_unit_passes_systemds_own_check(tmp_path: Path, scope: str) -> None:
    (tmp_path / "a b").mkdir()
    config = tmp_path / "a b" / "100% core $HOME.toml"
    config.write_text(CONFIGURATION)
    units = tmp_path / "units"
    done = corectl(tmp_path, "service", "install", str(config), scope, "--folder", str(units))
    assert done.returncode == 0, done.stderr
    assert f"{units}/core.service is written" in done.stdout
    assert "Type=notify\n" in (units / "core.service").read_text()
    assert verified(units / "core.service", *(["--user"] if scope == "--user" else [])) == []


def test_the_unit_names_only_groups_that_exist(tmp_path: Path) -> None:
    (tmp_path / "core.toml").write_text(CONFIGURATION)
    done = corectl(tmp_path, "service", "install", "--system", "--dry-run")
    groups = [line.partition("=")[2] for line in done.stdout.splitlines() if line.startswith("SupplementaryGroups=")]
    existing = {line.partition(":")[0] for line in Path("/etc/group").read_text().splitlines()}
    assert set(" ".join(groups).split()) == existing & {"gpio", "spi", "i2c", "dialout"}
    assert f"User={getpass.getuser()}\n" in done.stdout
    user = corectl(tmp_path, "service", "install", "--user", "--dry-run").stdout
    assert "SupplementaryGroups" not in user
    assert "User=" not in user


def test_what_it_runs_is_a_run_that_tells_systemd_it_is_ready(start: Start, tmp_path: Path) -> None:
    (tmp_path / "core.toml").write_text(CONFIGURATION + "[transport.server]\nport = 0\n")
    text = corectl(tmp_path, "service", "install", "--user", "--dry-run").stdout
    command = next(line for line in text.splitlines() if line.startswith("ExecStart=")).partition("=")[2].split()
    assert command == [str(CORECTL), "run", "--plain", str(tmp_path / "core.toml")]
    run = start(*command[2:], RUNTIME_DIRECTORY=str(tmp_path / "run"))
    assert run.port
    wait_until((tmp_path / "run/core.sock").exists, "the control socket is in the service's own folder")
    assert run.corectl("reload").stdout == "nothing has changed\n"
    assert run.end() == 0


def test_several_instances_do_not_meet(tmp_path: Path) -> None:
    units = tmp_path / "units"
    texts = []
    for name in ("one", "two"):
        config = tmp_path / f"{name}.toml"
        config.write_text(f'[core]\nname = "{name}"\n{CONFIGURATION}')
        assert corectl(tmp_path, "service", "install", str(config), "--system", "--folder", str(units)).returncode == 0
        texts.append((units / f"core-{name}.service").read_text())
    for key in ("RuntimeDirectory=", "StateDirectory=", "LogsDirectory=", "ExecReload="):
        values = {line for text in texts for line in text.splitlines() if line.startswith(key)}
        assert len(values) == 2, values


def test_a_second_core_toml_of_the_same_name_is_refused(tmp_path: Path) -> None:
    folder = ("--user", "--folder", str(tmp_path / "units"))
    for name in ("one", "two"):
        (tmp_path / f"{name} $%.toml").write_text(CONFIGURATION)
    assert corectl(tmp_path, "service", "install", "one $%.toml", *folder).returncode == 0
    assert corectl(tmp_path, "service", "install", "one $%.toml", *folder).returncode == 0
    done = corectl(tmp_path, "service", "install", "two $%.toml", *folder)
    assert done.returncode == 2
    assert f"core.service runs {tmp_path}/one $%.toml; give {tmp_path}/two $%.toml another [core] name" in done.stderr
    assert corectl(tmp_path, "service", "install", "two $%.toml", "--force", *folder).returncode == 0
    assert "two" in (tmp_path / "units/core.service").read_text()
    missing = corectl(tmp_path, "service", "uninstall", "other", *folder)
    assert "there is no" in missing.stderr
    assert "installed: core.service" in missing.stderr


@pytest.mark.parametrize(
    ("keys", "left"), [('chip = "none"\nhold = true\n', True), ('chip = "none"\n', False), ("hold = true\n", False)]
)
@pytest.mark.parametrize("isolate", ["", "isolate = true\n"])
def test_what_holds_lines_is_left_alone_by_systemd(tmp_path: Path, keys: str, left: bool, isolate: str) -> None:
    (tmp_path / "core.toml").write_text(f"{CONFIGURATION}{isolate}lines = [[1]]\n{keys}")
    units = tmp_path / "units"
    done = corectl(tmp_path, "service", "install", "--system", "--folder", str(units))
    assert done.returncode == 0, done.stderr
    assert ("KillMode=process\n" in (units / "core.service").read_text()) == left
    assert ("what holds lines after the end" in done.stdout) == left
    assert verified(units / "core.service") == []


def test_a_core_toml_that_cannot_run_is_no_service(tmp_path: Path) -> None:
    (tmp_path / "core.toml").write_text('[device.x]\nplugin = "telescope"\n')
    done = corectl(tmp_path, "service", "install", "--user", "--folder", str(tmp_path / "units"))
    assert done.returncode == 2
    assert "plugin 'telescope' is not installed" in done.stderr
    assert not (tmp_path / "units").exists()


def test_install_and_uninstall_say_what_they_do(tmp_path: Path) -> None:
    (tmp_path / "core.toml").write_text(CONFIGURATION)
    units = tmp_path / "units"
    folder = ("--user", "--folder", str(units))
    corectl(tmp_path, "service", "install", *folder)
    assert "is as it should be" in corectl(tmp_path, "service", "install", *folder).stdout
    assert f"{units}/core.service is taken away" in corectl(tmp_path, "service", "uninstall", *folder).stdout
    assert not (units / "core.service").exists()
    gone = corectl(tmp_path, "service", "uninstall", *folder)
    assert gone.returncode == 1
    assert "there is no" in gone.stderr
    (units / "core.service").write_text("[Service]\nExecStart=/bin/true\n")
    for command in ("install", "uninstall"):
        foreign = corectl(tmp_path, "service", command, *folder)
        assert foreign.returncode == 1
        assert "was not written by corectl" in foreign.stderr
    assert corectl(tmp_path, "service", "install", "--force", *folder).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--system", "--run-as", "no-such-user"), "there is no user 'no-such-user'"),
        (("--user", "--run-as", "root"), "--run-as is for --system"),
        (("missing.toml",), "missing.toml"),
    ],
)
def test_what_cannot_be_installed_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    (tmp_path / "core.toml").write_text(CONFIGURATION)
    done = corectl(tmp_path, "service", "install", *arguments, "--dry-run")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["with space", "ä", "-x", "a%b"])
def test_a_run_whose_name_no_unit_can_have(name: str) -> None:
    with pytest.raises(ConfigError, match=r"set \[core\] name to letters"):
        unit_name(name)


def test_a_path_that_would_break_the_unit_is_refused() -> None:
    unit = Unit("core", Path("/usr/bin/corectl"), Path("/a\nExecStartPre=/bin/false"), system=False)
    with pytest.raises(ConfigError, match="control characters"):
        unit.text()


ASK_BASH = """
eval "$(corectl completion bash)"
COMP_WORDS=(corectl {words}); COMP_CWORD={at}
_corectl_completion corectl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("words", "at", "expected"),
    [("list-pr", 1, {"list-programs"}), ("run --log-l", 2, {"--log-level"}), ("run --log-level deb", 3, {"debug"})],
)
def test_bash_completes(tmp_path: Path, words: str, at: int, expected: set[str]) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK_BASH.format(words=words, at=at)],
        env={**os.environ, "PATH": f"{CORECTL.parent}:{os.environ['PATH']}", "XDG_CONFIG_HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert set(done.stdout.split()) == expected, done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_is_what_the_shell_can_read(tmp_path: Path, shell: str) -> None:
    done = corectl(tmp_path, "completion", shell, "--install")
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.partition(" is written")[0])
    assert "_CORECTL_COMPLETE" in path.read_text()
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    checked = subprocess.run([shell, "-n", str(path)], capture_output=True, text=True, timeout=SECONDS)
    assert (checked.returncode, checked.stderr) == (0, "")
