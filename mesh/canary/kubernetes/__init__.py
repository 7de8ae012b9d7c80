"""Rollouts on Kubernetes: the platform, who drives, the kind Rollout in the API, and what people ask there.

`platform` asks the API server (`api`, with the kinds of `kinds`) and writes weights (`patches`); `lease` says
which controller drives; `asked` and `desk` take what stands in annotations and say in `.status` where a run
stands (`standing`); `crd` makes the kind's definition of the schema; `home` puts all of it together.
"""
