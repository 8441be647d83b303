"""Options: what core.toml may say about a device or a transport, declared as one typed class."""

from __future__ import annotations

import msgspec


class Options(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Be the base of a device's or transport's options.

    Fields are declared as `name: Annotated[type, msgspec.Meta(description=...)] = default`; from them core.toml is
    checked, `corectl init` writes its comments and the reference is made.
    """
