"""`corectl service`: run core.toml as a service of systemd, from the start of the machine on."""

from __future__ import annotations

import dataclasses
import getpass
import grp
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.cli.plugin_options import plugin_options
from core.errors import ConfigError, CoreError
from core.systemd_unit import MARK, Unit, config_of, unit_name

if TYPE_CHECKING:
    from core.config import Config

HARDWARE_GROUPS = ("gpio", "spi", "i2c", "dialout")
SYSTEM_FOLDER = Path("/etc/systemd/system")
SYSTEMCTL_SECONDS = 60

folder_option = click.option(
    "--folder", type=click.Path(path_type=Path), help="Keep the unit in this folder instead of systemd's own."
)
scope_option = click.option(
    "--system/--user",
    "system",
    default=None,
    help="A service of the whole machine, or of your own session; by default the machine's for root.",
)


@click.group("service")
def service() -> None:
    """Run a core.toml as a service of systemd."""


@service.command("install")
@click.argument("config", type=click.Path(path_type=Path), required=False)
@scope_option
@click.option("--run-as", metavar="USER", help="The user that the service runs as; by default whoever called sudo.")
@click.option("--start", is_flag=True, help="Start it at once, and whenever the machine starts.")
@click.option("--dry-run", is_flag=True, help="Print the unit and write nothing.")
@click.option("--force", is_flag=True, help="Replace a unit that something else has written.")
@folder_option
@plugin_options
def install(
    config: Path | None,
    system: bool | None,
    run_as: str | None,
    start: bool,
    dry_run: bool,
    force: bool,
    folder: Path | None,
) -> None:
    """Write a unit that runs CONFIG (left out: the core.toml that a run would find) and say what was done.

    Each core.toml is a service of its own, named after its [core] name.
    """
    chosen = _config(config)
    system = os.geteuid() == 0 if system is None else system
    unit = _unit(chosen, system=system, run_as=run_as)
    if dry_run:
        click.echo(unit.text(), nl=False)
        return
    path = _folder(folder, system=system) / unit.name
    _refuse_other(path, unit, force=force)
    _write(path, unit.text(), force=force)
    for line in _remarks(unit):
        click.echo(line)
    _verify(path, system=system)
    if folder is not None:
        return
    _systemctl(["daemon-reload"], system=system)
    if start:
        _systemctl(["enable", "--now", unit.name], system=system)
    else:
        click.echo(f"start it, now and with the machine: {_shown(['enable', '--now', unit.name], system=system)}")


@service.command("uninstall")
@click.argument("name", default="core")
@scope_option
@folder_option
def uninstall(name: str, system: bool | None, folder: Path | None) -> None:
    """Stop the service of the run NAME and take its unit away; core.toml and saved settings stay."""
    system = os.geteuid() == 0 if system is None else system
    path = _folder(folder, system=system) / unit_name(name)
    text = _content(path)
    if text is None:
        there = sorted(one.name for one in path.parent.glob("core*.service") if MARK in (_content(one) or ""))
        installed = f"; installed: {', '.join(there)}" if there else "; corectl service install writes one"
        raise CoreError(f"there is no {path}{installed}")
    if MARK not in text:
        raise CoreError(f"{path} was not written by corectl; take it away yourself")
    if folder is None:
        _systemctl(["disable", "--now", path.name], system=system)
    try:
        path.unlink()
    except OSError as error:
        raise CoreError(f"{path} cannot be taken away: {error.strerror}{_sudo(error)}") from error
    click.echo(f"{path} is taken away")
    if folder is None:
        _systemctl(["daemon-reload"], system=system)


def _config(path: Path | None) -> Config:
    from core.cli.choices import chosen_config

    chosen = chosen_config(path)
    if chosen is None or chosen.path is None:
        raise ConfigError("there is no core.toml that a service could run; corectl init writes one")
    return chosen


def _unit(config: Config, *, system: bool, run_as: str | None) -> Unit:
    if run_as is not None and not system:
        raise click.UsageError("--run-as is for --system: a service of your own runs as you")
    command = Path(sys.argv[0]).absolute()
    if command.name != "corectl" or not os.access(command, os.X_OK):
        command = Path(sys.executable).parent / "corectl"
    user = run_as or os.environ.get("SUDO_USER", "") or getpass.getuser() if system else ""
    if user:
        try:
            pwd.getpwnam(user)
        except KeyError as error:
            raise ConfigError(f"there is no user {user!r}; name one with --run-as") from error
    existing = {group.gr_name for group in grp.getgrall()}
    groups = tuple(name for name in HARDWARE_GROUPS if name in existing) if system else ()
    if config.path is None:
        raise ConfigError("there is no core.toml that a service could run; corectl init writes one")
    leaves = _leaves_processes(config)
    return Unit(config.core.name, command, config.path.absolute(), system, user, groups, leaves)


def _leaves_processes(config: Config) -> bool:
    """Return whether a device of the configuration outlives the run; raise ConfigError for one that cannot be run."""
    from core.assembly import assemble
    from core.cli.choices import discovered
    from core.isolation import KEY

    tables = tuple(dataclasses.replace(table, keys=table.without(KEY)) for table in config.tables)
    assembly = assemble(dataclasses.replace(config, tables=tables), discovered(config))
    return any(device.outlives_run for device in assembly.devices.values())


def _folder(folder: Path | None, *, system: bool) -> Path:
    if folder is not None:
        return folder
    if system:
        return SYSTEM_FOLDER
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd/user"


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CoreError(f"{path} cannot be read: {error.strerror}{_sudo(error)}") from error


def _refuse_other(path: Path, unit: Unit, *, force: bool) -> None:
    """Raise ConfigError if a service of this name runs another core.toml: two runs of one name would meet."""
    text = _content(path)
    runs = config_of(text) if text is not None and MARK in text else None
    if runs not in (None, str(unit.config)) and not force:
        raise ConfigError(
            f"{path} runs {runs}; give {unit.config} another [core] name, or replace that service with --force"
        )


def _write(path: Path, text: str, *, force: bool) -> None:
    before = _content(path)
    if before == text:
        click.echo(f"{path} is as it should be")
        return
    if before is not None and MARK not in before and not force:
        raise CoreError(f"{path} exists and was not written by corectl; --force replaces it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CoreError(f"{path} cannot be written: {error.strerror}{_sudo(error)}") from error
    click.echo(f"{path} is {'written' if before is None else 'written anew'}")


def _remarks(unit: Unit) -> list[str]:
    """Return what people have to know of a unit."""
    remarks = []
    if unit.system:
        remarks.append(f"it runs as {unit.user}" + (f", in the groups {', '.join(unit.groups)}" if unit.groups else ""))
        missing = [name for name in ("gpio", "spi") if name not in unit.groups]
        if missing:
            remarks.append(
                f"this machine has no group {' and no group '.join(missing)}, so the service gets none;"
                " corectl doctor says who may open the devices"
            )
    else:
        remarks.append(f"it runs while you are logged in; for always: loginctl enable-linger {getpass.getuser()}")
    if unit.leaves_processes:
        remarks.append("KillMode=process: what holds lines after the end of the run stays when the service is stopped")
    return remarks


def _verify(path: Path, *, system: bool) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        return
    scope = [] if system else ["--user"]
    command = [program, *scope, "verify", "--man=no", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SYSTEMCTL_SECONDS, check=False)
    said = [line for line in done.stderr.splitlines() if path.name in line]
    if said:
        raise CoreError(f"systemd finds fault with {path}: {' / '.join(said)}")


def _systemctl(arguments: list[str], *, system: bool) -> None:
    """Have systemd do something and say so; where it does not run, say what is left to do."""
    shown = _shown(arguments, system=system)
    if shutil.which("systemctl") is None or not Path("/run/systemd/system").is_dir():
        click.echo(f"systemd does not run here; where it does: {shown}")
        return
    done = subprocess.run(shown.split(), capture_output=True, text=True, timeout=SYSTEMCTL_SECONDS, check=False)
    if done.returncode:
        raise CoreError(f"{shown} failed: {' '.join(done.stderr.split()) or done.returncode}")
    click.echo(f"done: {shown}")


def _shown(arguments: list[str], *, system: bool) -> str:
    return " ".join(["systemctl", *([] if system else ["--user"]), *arguments])


def _sudo(error: OSError) -> str:
    return "; use sudo, or --user for a service of your own" if isinstance(error, PermissionError) else ""
