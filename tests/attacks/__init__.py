"""Attacks on a running server, while two well-behaved clients watch a heartbeat and miss none of it."""
