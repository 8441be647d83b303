"""core.toml: found, read and checked; every mistake is one sentence with file, key and what is allowed."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from core.errors import ConfigError
from core.log.settings import Level
from core.options import Options
from core.suggestions import nearest

FILE_NAME = "core.toml"
VERSION = 1
NAME_BYTES = 63
"""libindi keeps names in 64 bytes."""

O = TypeVar("O", bound=Options)  # noqa: E741 - for options
Section = Literal["device", "transport", "program"]


RunName = Annotated[
    str,
    msgspec.Meta(pattern=r"^[^/\x00-\x1f]{1,32}$", description="name of the run, by which `corectl status` finds it"),
]


MemoryLimit = Annotated[
    int,
    msgspec.Meta(
        ge=64 << 20, description="bytes of memory from which on the peer goes for which most waits; else half of all"
    ),
]


class CoreTable(Options):
    """The table `[core]`."""

    name: RunName = "core"
    disable: list[str] = []  # noqa: RUF012 - msgspec copies it
    log_level: Annotated[Level, msgspec.Meta(description="debug, info, warning or error")] = "info"
    log_levels: Annotated[
        dict[str, Level], msgspec.Meta(description="levels of single instances and plugins, by name")
    ] = {}  # noqa: RUF012 - msgspec copies it
    log_file: Annotated[str, msgspec.Meta(description="a file for the log; beside core.toml where relative")] = ""
    log_file_size: Annotated[float, msgspec.Meta(ge=0.01, le=10_000, description="megabytes of a log file")] = 10.0
    log_files: Annotated[int, msgspec.Meta(ge=0, le=1000, description="how many full log files are kept")] = 5
    log_json: Annotated[bool, msgspec.Meta(description="whether each line of the log is a JSON object")] = False
    log_journal: Annotated[
        bool | Literal["auto"], msgspec.Meta(description="whether systemd's journal is told: true, false or auto")
    ] = "auto"
    memory_limit: MemoryLimit | None = None


@dataclass(frozen=True)
class Table:
    """Be one named table: `[device.<name>]`, `[transport.<name>]` or `[program.<name>]`."""

    section: Section
    name: str
    keys: Mapping[str, Any]
    source: str = FILE_NAME

    @property
    def title(self) -> str:
        """Return how the table is headed."""
        return f"[{self.section}.{toml_key(self.name)}]"

    def text(self, key: str) -> str | None:
        """Return a key that must be a text, None if it is absent; raise ConfigError for another type."""
        value = self.keys.get(key)
        if value is not None and not isinstance(value, str):
            raise self.error(f"{key} is {value!r}; a text is needed")
        return value

    def without(self, *keys: str) -> dict[str, Any]:
        """Return the keys that are left for the options."""
        return {key: value for key, value in self.keys.items() if key not in keys}

    def error(self, why: str) -> ConfigError:
        """Return an error that names the file and the table."""
        return ConfigError(f"{self.source}: {self.title}: {why}")


@dataclass(frozen=True)
class Config:
    """Be a whole configuration, before any plugin has been asked."""

    core: CoreTable = field(default_factory=CoreTable)
    tables: tuple[Table, ...] = ()
    path: Path | None = None

    def of(self, section: Section) -> list[Table]:
        """Return the tables of one section in their order."""
        return [table for table in self.tables if table.section == section]


def search_path() -> list[Path]:
    """Return where core.toml is sought, in order."""
    places = [Path(FILE_NAME)]
    try:
        user = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    except RuntimeError:  # this user has no home
        pass
    else:
        places.append(user / "core" / FILE_NAME)
    return [*places, Path("/etc/core") / FILE_NAME]


def find() -> Path | None:
    """Return the core.toml that counts, None if there is none; raise ConfigError where it may not be looked for."""
    return next((path for path in search_path() if _is_file(path)), None)


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise ConfigError(f"{path}: cannot be looked for: {error.strerror}; name the file to run") from error


def load(path: Path) -> Config:
    """Read a core.toml; raise ConfigError for one that cannot be read or has a wrong shape."""
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # no UTF-8, no TOML, or a number of too many digits
        raise ConfigError(f"{path}: is not TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: is nested too deeply") from error
    return parse(document, str(path), path)


def parse(document: Mapping[str, Any], source: str = FILE_NAME, path: Path | None = None) -> Config:
    """Return the configuration that a document is; raise ConfigError for a wrong shape."""
    sections: tuple[Section, ...] = ("device", "transport", "program")
    known = ("version", "core", *sections)
    for key in document:
        if key not in known:
            raise ConfigError(f"{source}: {key!r} is unknown{_meant(key, known)}; {', '.join(known)} is allowed")
    version = document.get("version", VERSION)
    if version != VERSION:
        raise ConfigError(f"{source}: version is {version!r}; this `core` reads version {VERSION}")
    core = convert(CoreTable, document.get("core", {}), f"{source}: [core]")
    tables: list[Table] = []
    for section in sections:
        named = document.get(section, {})
        if not isinstance(named, dict):
            raise ConfigError(f"{source}: {section} is {named!r}; tables like [{section}.<name>] are needed")
        for name, keys in named.items():
            if not isinstance(keys, dict):
                raise ConfigError(f"{source}: {section}.{name} is {keys!r}; a table [{section}.{name}] is needed")
            if not name.isprintable():
                raise ConfigError(f"{source}: [{section}.{toml_key(name)}]: a name has no control characters")
            if not name or len(name.encode()) > NAME_BYTES:
                raise ConfigError(f"{source}: [{section}.{name}]: a name has 1 to {NAME_BYTES} bytes")
            tables.append(Table(section, name, keys, source))
    return Config(core, tuple(tables), path)


def toml_key(name: str) -> str:
    """Return a key as TOML writes it."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_text(name)


def toml_text(text: str) -> str:
    """Return a text as TOML writes it, in one line."""
    # JSON's quotes and escapes are TOML's too, but TOML wants DEL escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def convert(options: type[O], keys: object, where: str) -> O:
    """Return the options that a table gives; raise ConfigError that says `where`, which key, and what is allowed."""
    if not isinstance(keys, Mapping):
        raise ConfigError(f"{where}: is {keys!r}; a table is needed")
    fields = {one.encode_name: one for one in msgspec.structs.fields(options)}
    for key in keys:
        if key not in fields:
            allowed = f"{', '.join(fields)} is allowed" if fields else "it takes none"
            raise ConfigError(f"{where}: {key} is unknown{_meant(key, fields)}; {allowed}")
    for name, one in fields.items():
        if name not in keys and one.required:
            raise ConfigError(f"{where}: {name} is missing{_described(options, name)}")
    try:
        return msgspec.convert(dict(keys), options)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$.")
        place = place.rstrip("`")
        name = re.split(r"[.\[]", place, maxsplit=1)[0]
        value = f" is {keys[name]!r}" if name in keys and name == place else ""
        plain = text.replace("`", "").replace("Expected", "expected", 1)
        if not place:  # it concerns the options together, or was said by themselves
            raise ConfigError(f"{where}: {plain}") from None
        raise ConfigError(f"{where}: {place}{value}: {plain}{_described(options, name)}") from None


def description(options: type[Options], name: str) -> str:
    """Return what an option is for, as its annotation says."""
    return next((text for key, text, _ in described(options) if key == name), "")


def described(options: type[Options]) -> Iterable[tuple[str, str, Any]]:
    """Yield name, description and default of each option; the default is msgspec.NODEFAULT where one is needed."""
    info = msgspec.inspect.type_info(options)
    if not isinstance(info, msgspec.inspect.StructType):  # cannot be: Options is a Struct
        return
    for one in info.fields:
        text = ""
        kind = one.type
        for part in kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,):
            if isinstance(part, msgspec.inspect.Metadata):
                text = str((part.extra_json_schema or {}).get("description", ""))
        default = one.default if one.default is not msgspec.NODEFAULT else one.default_factory
        yield one.encode_name, text, default() if callable(default) else default


def _described(options: type[Options], name: str) -> str:
    text = description(options, name)
    return f" ({text})" if text else ""


def _meant(wrong: str, names: Iterable[str]) -> str:
    near = nearest(wrong, names)
    return f", did you mean {near}?" if near else ""
