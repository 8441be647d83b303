"""What `corectl doctor` looks at: each look yields findings with cause and cure, and changes nothing."""
