"""The version of `core`: here, so that nobody has to look through installed metadata for it."""

__version__ = "0.1.0"
