"""What the interfaces of other bookmark programs share: who calls, how often, from which browser extension.

`front` answers a route with it all; `credentials` reads what a program shows, `identities` makes an access
token of it, `limits` counts, `times` reads the times that programs write.
"""
