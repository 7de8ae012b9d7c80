"""What every service shares: how it is configured, started, called, answered, guarded and stopped.

One file per concern; nothing here knows a service by name. A service is composed in its `app.py` by
`app.create_app`, describes its interface as a table of `endpoint.Endpoint`, raises `errors.Problem`s,
reads `settings.ServiceSettings`, keeps its state through `db.Database` and is started by `command.main`.
"""
