"""Accounts: sign-up, sign-in, sessions, personal API tokens and the keys that sign access tokens.

Rooms: `app` composes, `api` and `tokens_api` answer requests, `domain` holds the rules, `store`,
`throttle` and `key_store` the SQL, `passwords`, `secrets` and `keys` the cryptography, `housekeeping`
what happens periodically, `client` is what other programs import. Nothing here knows another service.
"""
