"""Inputs that break a promise: `make fuzz` looks for them, `corpus` keeps them, and the tests try them again."""
