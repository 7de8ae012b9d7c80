"""Runs of rollouts as people see them, out of their journals alone: live or finished, on any machine.

`story` is a run as its journal tells it, `following` reads one that grows, `words` says one event, `waiting`
what comes next, `explaining` why a run ended so, `summary` the one line of a list. Nothing here decides.
"""
