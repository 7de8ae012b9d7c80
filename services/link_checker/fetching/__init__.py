"""Fetching what strangers name, from inside a network that strangers must not reach.

    text -> Target (strict) -> addresses (resolved once, all judged) -> connection to one of exactly those

`targets` reads an address, `addresses` judges where it leads, `resolver` asks DNS, `pinned` connects,
`fetcher` follows redirects by hand and judges every hop anew; `bodies`, `charsets` and `markup` read what
comes back within bounds; `robots` and `turns` are manners; `visits` is one check made of these.
"""
