"""Bookmarks: saving, tagging, listing, searching, importing and exporting links.

Rooms: `app` composes, `api` answers requests, `domain` and `urls` hold the rules, `store` and
`tag_store` the SQL, `client` is what other programs import. Nothing here knows another service.
"""
