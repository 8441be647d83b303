"""Hardware plugins for Linux boards: the public names, each imported when it is first used."""

TYPE_CHECKING = False  # as in typing, which takes a while to import
if TYPE_CHECKING:
    from typing import Any

_HOMES = {
    "core.client": (
        "BlobLost",
        "Client",
        "ClientError",
        "ClientEvent",
        "ClientTimeout",
        "PropertyMissing",
        "ReceivedBlob",
        "SetRefused",
    ),
    "core.deprecation": ("deprecated",),
    "core.device": ("Device",),
    "core.duration": ("Duration",),
    "core.errors": ("CoreError", "ConfigError", "DeviceUnavailable", "ProgramError", "ResourceError", "ValueRefused"),
    "core.hookspecs": ("CheckResult", "Proposal", "hookimpl"),
    "core.loop": (
        "Loop",
        "ScheduledTask",
        "Timing",
        "add_task",
        "delay",
        "run",
        "run_later",
        "schedule",
        "schedule_later",
        "sleep",
        "suspend",
    ),
    "core.options": ("Options",),
    "core.plumbing": ("Channel", "Connection", "Router", "Transport"),
    "core.program_device": ("ProgramDevice",),
    "core.programs": ("Output",),
    "core.properties": (
        "Blob",
        "BlobValue",
        "BlobVector",
        "Event",
        "Light",
        "LightVector",
        "Number",
        "NumberVector",
        "Switch",
        "SwitchVector",
        "Text",
        "TextVector",
        "Vector",
    ),
    "core.resource": ("ManagedResource",),
    "core.snooped": ("Snooped",),
    "core.spi": ("ManagedSpi",),
    "core.ticks": ("every",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [*_HOME_OF, "__version__", "programs"]


def __getattr__(name: str) -> "Any":
    """Import a public name when it is first used, so that `import core` costs next to nothing."""
    from importlib import import_module

    if name == "programs":
        return import_module("core.programs")
    if name == "__version__":
        from core.version import __version__

        return __version__
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'core' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
