"""Accounts: sign-up, sign-in, sessions, personal API tokens and the keys that sign access tokens.

Rooms: `app` composes; `account_api`, `session_api`, `token_api` and `jwks_api` answer requests (`messages`
is what they read and write, `deps` what they work with); `domain` holds the rules of accounts, `keys`
those of rotation; `store`, `session_store`, `token_store`, `key_store` and `throttle` hold the SQL;
`passwords`, `opaque`, `encryption` and `signer` the cryptography; `housekeeping` is what happens by
itself, `client` what other programs import. Nothing here knows another service.
"""
