"""The chips' drivers: registers, conversions and waits, on any bus; they know neither properties nor configuration."""
