"""From a name in a request to a person: known here, or known to the users service, or unknown."""

from __future__ import annotations

from dataclasses import dataclass

from services.kit.auth import Principal
from services.kit.errors import NotFound
from services.social_graph import domain
from services.social_graph.accounts import Accounts
from services.social_graph.people_store import PeopleStore


@dataclass(frozen=True)
class Directory:
    """Finds people by name, and makes known whom events have not told of yet: others and the caller."""

    people: PeopleStore
    accounts: Accounts

    async def find(self, principal: Principal, username: str) -> int:
        """The id of whoever has this name; raises NotFound, or Unavailable when that cannot be said."""
        name = domain.fold_username(username)
        if name is None:
            raise NotFound("nobody can have this name")
        found = await self.people.find(name, principal.user_id)
        if not found.caller_is_known and domain.fold_username(principal.name) is not None:
            await self.people.introduce(principal.user_id, principal.name)
        if name == principal.name:
            return principal.user_id
        if found.user_id is not None:
            return found.user_id
        account = await self.accounts.by_name(name)
        if account is None or not await self.people.introduce(account.user_id, account.username):
            raise NotFound(f"nobody is called {name}")
        return account.user_id
