"""The ways to the devices that come with `core`, registered through the same hook as anybody's."""
