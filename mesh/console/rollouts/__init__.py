"""Rollouts on the console: `looking` reads their journals, `plots` draws one (pure)."""
