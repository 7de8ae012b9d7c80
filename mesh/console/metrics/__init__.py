"""What the sidecars count: read, kept for some seconds, made into rates."""
