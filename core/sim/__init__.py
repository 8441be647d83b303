"""Simulated lines and buses that behave like the real ones: for the desk, and for tests."""
