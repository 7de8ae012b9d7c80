"""The chart judged without a cluster: every combination of its values, by rules that are sentences.

`python -m tests.chart` judges all of them, then breaks a copy of the chart in one place after the other, and
expects that the rule that was made for it says so.
"""
