"""Tests on a real kernel with simulated chips: make test-board."""
