"""Rollouts before a person: found, replayed, watched, listed; `mesh.canary.views` says what they mean."""
