"""Where a recorder writes if it is not told: in a folder of the run, so that two runs do not meet."""

from __future__ import annotations

from pathlib import Path

from core.run_folders import SERVICES, data_folder, file_name, found_data_folder, service_folder


def default_file(run: str, name: str) -> Path:
    """Return where the recorder `name` of this process, a run of that name, writes; raise ValueError without a home."""
    return _in(data_folder(run), name)


def found_file(run: str, name: str) -> Path:
    """Return where a recorder writes that somebody else may run: this user, or the system."""
    return _in(found_data_folder(run), name)


def placed(given: str, folder: Path) -> Path:
    """Return where a path of core.toml is: from the folder of a service where it is relative, else from `folder`."""
    return ((service_folder() or folder) / Path(given).expanduser()).absolute()


def found_placed(given: str, folder: Path, run: str) -> Path:
    """Return the same for a run that somebody else may run."""
    service = SERVICES / file_name(run) / Path(given).expanduser()
    return service if service.exists() else folder / Path(given).expanduser()


def _in(folder: Path | None, name: str) -> Path:
    if folder is None:
        raise ValueError('this user has no home; say where to record: file = "/var/lib/core/history.db"')
    return folder / f"{file_name(name)}.db"
