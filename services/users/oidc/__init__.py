"""Sign-in with external identity providers: OpenID Connect, code flow with PKCE.

`providers` are the settings, `http` and `directory` what a provider says (bounded, cached), `protocol` the
exchange, `attempt` the secrets of a sign-in under way. Accounts and sessions stay next door.
"""
