"""The search language: `python "exact phrase" tag:web -tag:old site:example.org before:2024 or (a b)`.

Read in this order: `tree` (what a query means), `language` (text -> tree), `values` (what may stand behind a
field's colon), `sql` (tree -> condition), `store` (the statement, ranked and bounded), `words` and
`highlight` (where it matched), `api`. Nothing but `store` does I/O; no text of a user stands in SQL.
"""
