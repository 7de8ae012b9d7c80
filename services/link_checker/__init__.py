"""Checks links again and again, without being turned against the network it runs in.

`fetching/` reaches out (and refuses to); `domain` decides what an outcome means and when to look again;
`store` keeps the addresses and whose links they are; `checking` is the loop; `function/` is the same check as
a serverless function.
"""
