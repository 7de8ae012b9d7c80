"""What an edit would change, before it is applied: objects, and what each proxy does (pure)."""
