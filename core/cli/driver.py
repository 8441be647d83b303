"""What a plugin's own command runs, so that `indiserver indi_my_device` works."""

from __future__ import annotations

from core.cli import main


def run_driver(plugin: str) -> None:
    """Speak INDI on stdin and stdout for a device of `plugin`: the first of core.toml, or the one that it proposes."""
    from core.cli.choices import chosen_config, discovered, with_default
    from core.errors import CoreError

    name = ""
    try:
        config = chosen_config(None)
        chosen, _ = with_default(config, discovered(config))
        name = next((table.name for table in chosen.of("device") if table.keys.get("plugin") == plugin), "")
    except CoreError:
        pass  # the run below meets the same error and says it
    main(["run", "--stdin", name or plugin])
