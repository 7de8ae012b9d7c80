"""Runs of rollouts: what is asked for, what happened, what to do next, and who does it.

`rollout` is the question, `journal` keeps the events, `run` folds them into where a run is (pure),
`conductor` takes the next step on a platform, `folder` is where runs lie. Nothing here knows a platform or a
source by name.
"""
