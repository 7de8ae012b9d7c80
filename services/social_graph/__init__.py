"""Who follows whom, who blocks whom, how many there are, and whom one may want to follow.

Rooms: `app` composes; `api` and `internal_api` answer requests, `queries` is what may stand in them; `domain`
holds the rules and structs; `store` makes and ends edges, `list_store` reads them, `people_store` keeps the
people, whom `directory` finds and `accounts` asks about; `events` is what it tells others, `consuming` what
it does about what others tell, `client` what other programs import.
"""
