"""Whether requests fail while something is restarted, replaced or changed; `make zero-downtime` prints it.

`load` sends requests at a constant rate, `events` and `procedures` make things happen, `rows` counts what
failed meanwhile; `table` names every row with its reason where it cannot be zero.
"""
