"""The chips as devices: options of core.toml, properties, and one measurement a tick."""
