"""The tree of errors: each class is also the built-in one that a caller would expect."""

from __future__ import annotations

__all__ = [
    "ApiMismatch",
    "ConfigError",
    "CoreError",
    "DefinitionError",
    "DeviceUnavailable",
    "LoopError",
    "NotUnderstood",
    "PluginConflict",
    "PluginError",
    "PluginMissing",
    "PortInUse",
    "ProgramError",
    "ProtocolError",
    "ResourceError",
    "ResourceTimeout",
    "TimingError",
    "ValueRefused",
]


class CoreError(Exception):
    """Be the root of what `core` raises; the message says what was attempted, what stood in the way and the cure."""


class ConfigError(CoreError, ValueError):
    """Report a configuration that cannot be used: file, key and what is allowed."""


class DefinitionError(CoreError, TypeError):
    """Report a device, vector, member, transport or hook that its author declared wrongly."""


class DeviceUnavailable(CoreError, OSError):  # noqa: N818 - reads as what happened
    """Report hardware that cannot be opened or has gone: plugin, instance, cause and cure.

    An errno may stand before the text, as in any OSError; it is kept and not shown.
    """

    def __str__(self) -> str:
        """Return the text alone."""
        return str(self.args[-1]) if self.args else ""


class LoopError(CoreError, RuntimeError):
    """Report a wrong use of the loop."""


class TimingError(CoreError, ValueError):
    """Report a period, frequency or duration that no clock can keep."""


class PluginError(CoreError, RuntimeError):
    """Report a plugin that cannot be used."""


class PluginConflict(PluginError, ValueError):  # noqa: N818 - reads as what happened
    """Report two plugins, or two parts of plugins, that claim one name."""


class PluginMissing(PluginError, LookupError):  # noqa: N818 - reads as what happened
    """Report a plugin that is asked for and not installed."""


class ApiMismatch(PluginError, ImportError):  # noqa: N818 - reads as what happened
    """Report a plugin that was written for another version of the plugin API."""


class PortInUse(CoreError, OSError):  # noqa: N818 - reads as what happened
    """Report an address that something else listens on."""


class ProgramError(CoreError, ValueError):
    """Report a program that is unknown, wrongly composed or given wrong settings."""


class ProtocolError(CoreError, ValueError):
    """Report bytes that are not INDI."""


class NotUnderstood(ProtocolError):  # noqa: N818 - reads as what happened
    """Report a message that is well-formed and no INDI: what follows it can be read."""


class ResourceError(CoreError, RuntimeError):
    """Report a wrong use of a shared resource."""


class ResourceTimeout(ResourceError, TimeoutError):  # noqa: N818 - reads as what happened
    """Report a resource that was waited for, or held, for longer than allowed."""


class ValueRefused(CoreError, ValueError):  # noqa: N818 - reads as what happened
    """Refuse values that a client sent; the message reaches that client."""
