from __future__ import annotations

import asyncio

import asyncpg
import httpx
import pytest

from services.kit.errors import BadGateway, BadRequest, Forbidden, Unauthenticated
from services.kit.settings import Secret
from services.users.audit import AuditEntry
from services.users.audit_store import DAILY_ENTRIES
from services.users.client import UsersClient
from services.users.deps import Deps
from services.users.domain import NewApiToken
from tests.integration.users.conftest import PASSWORD, Clock, Query, bearer

pytestmark = pytest.mark.anyio

NEW = Secret("an even longer walk inland")
WRONG = Secret("not the password of anybody")


@pytest.fixture
def phone(users: UsersClient) -> UsersClient:
    return users.on_behalf_of("192.0.2.7", "Phone/1.0")


def told(entries: list[AuditEntry]) -> list[str]:
    """The actions, the oldest first."""
    return [entry.action for entry in reversed(entries)]


async def test_a_life_is_written_down_with_its_addresses(users: UsersClient, phone: UsersClient) -> None:
    await phone.sign_up("ada", Secret(PASSWORD))
    here, there = await phone.sign_in("ada", Secret(PASSWORD)), await users.sign_in("ada", Secret(PASSWORD))
    with pytest.raises(Unauthenticated):
        await users.on_behalf_of("2001:db8::66", None).sign_in("ada", WRONG)
    made = await phone.create_token(here.access_token, NewApiToken(name="cron", scopes=["read"]))
    await phone.revoke_token(here.access_token, made.api_token.id)
    with pytest.raises(Forbidden):
        await phone.change_password(here.access_token, WRONG, NEW)
    await phone.change_password(here.access_token, Secret(PASSWORD), NEW, revoke_api_tokens=True)
    await users.sign_out((await users.sign_in("ada", NEW)).access_token)
    entries = (await phone.list_audit(here.access_token)).items
    assert told(entries) == [
        "account-created",
        "signed-in",
        "signed-in",
        "sign-in-failed",
        "token-created",
        "token-revoked",
        "confirmation-failed",
        "password-changed",
        "signed-in",
        "signed-out",
    ]
    assert {entry.address for entry in entries if entry.action == "sign-in-failed"} == {"2001:db8::/64"}
    created = entries[-5]
    assert (created.address, created.details) == ("192.0.2.7", {"name": "cron", "scopes": "read"})
    [session] = [each for each in await phone.list_sessions(here.access_token) if each.current]
    assert created.session_id == session.id and session.user_agent == "Phone/1.0"
    assert there.refresh_token is not None


async def test_a_stolen_refresh_token_is_written_down_although_the_request_is_refused(
    users: UsersClient,
) -> None:
    await users.sign_up("ada", Secret(PASSWORD))
    first = await users.sign_in("ada", Secret(PASSWORD))
    assert first.refresh_token is not None
    await users.refresh(first.refresh_token)
    with pytest.raises(Unauthenticated):
        await users.on_behalf_of("192.0.2.66", None).refresh(first.refresh_token)
    again = await users.sign_in("ada", Secret(PASSWORD))
    entries = (await users.list_audit(again.access_token)).items
    assert told(entries) == ["account-created", "signed-in", "refresh-token-reused", "signed-in"]
    assert entries[1].address == "192.0.2.66"


async def test_ending_sessions_is_written_down_once(http: httpx.AsyncClient, users: UsersClient) -> None:
    await users.sign_up("ada", Secret(PASSWORD))
    here, *others = [await users.sign_in("ada", Secret(PASSWORD)) for _ in range(4)]
    [one, *_] = [each.id for each in await users.list_sessions(here.access_token) if not each.current]
    headers = {**bearer(here.access_token), "idempotency-key": "once"}
    for _ in range(2):
        assert (await http.delete(f"/sessions/{one}", headers=headers)).status_code == 204
    await users.end_other_sessions(here.access_token)
    await users.end_other_sessions(here.access_token)
    entries = (await users.list_audit(here.access_token)).items
    ended = [entry.details for entry in reversed(entries) if entry.action == "session-ended"]
    assert ended == [{"ended": str(one)}, {"ended": "2 others"}]
    assert len(await users.list_sessions(here.access_token)) == 1
    for other in others:
        with pytest.raises(Forbidden):
            await users.list_sessions(other.access_token)


async def test_the_log_is_read_in_pages_by_its_owner_only(users: UsersClient) -> None:
    await users.sign_up("ada", Secret(PASSWORD))
    _, *_, last = [await users.sign_in("ada", Secret(PASSWORD)) for _ in range(4)]
    access = last.access_token
    seen, cursor = [], None
    while True:
        page = await users.list_audit(access, limit=2, cursor=cursor)
        seen += page.items
        cursor = page.next
        if cursor is None:
            break
    assert len(seen) == 5 and seen == (await users.list_audit(access)).items
    with pytest.raises(BadRequest):
        await users.list_audit(access, cursor="nonsense")
    await users.sign_up("eve", Secret(PASSWORD))
    eve = await users.sign_in("eve", Secret(PASSWORD))
    assert told((await users.list_audit(eve.access_token)).items) == ["account-created", "signed-in"]
    made = await users.create_token(access, NewApiToken(name="x", scopes=["read"]))
    with pytest.raises(Forbidden):
        await users.list_audit((await users.exchange_token(made.token)).access_token)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET address = 'elsewhere'",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE action = 'account-created'",
        "TRUNCATE audit",
    ],
)
async def test_nobody_rewrites_the_log(users: UsersClient, query: Query, statement: str) -> None:
    await users.sign_up("ada", Secret(PASSWORD))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await query(statement)
    assert len(await query("SELECT FROM audit")) == 1


async def test_what_cannot_be_written_down_is_not_done(users: UsersClient, query: Query) -> None:
    await users.sign_up("ada", Secret(PASSWORD))
    access = (await users.sign_in("ada", Secret(PASSWORD))).access_token
    await query("ALTER TABLE audit RENAME TO audit_away")
    with pytest.raises(BadGateway):
        await users.create_token(access, NewApiToken(name="x", scopes=["read"]))
    assert await query("SELECT FROM api_tokens") == []


async def test_one_kind_of_entry_does_not_fill_the_table(
    users: UsersClient, deps: Deps, query: Query, clock: Clock
) -> None:
    user = await users.sign_up("ada", Secret(PASSWORD))

    async def fail(times: int) -> int:
        for _ in range(times):
            await deps.audit.write(
                "sign-in-failed", user.id, clock(), address="", session_id=None, details={}
            )
        return len(await query("SELECT FROM audit WHERE action = 'sign-in-failed'"))

    assert await fail(DAILY_ENTRIES + 5) == DAILY_ENTRIES
    await users.sign_in("ada", Secret(PASSWORD))
    assert len(await query("SELECT FROM audit WHERE action = 'signed-in'")) == 1
    clock.advance(days=1, minutes=1)
    assert await fail(1) == DAILY_ENTRIES + 1


async def test_guesses_at_nobody_leave_no_entry(users: UsersClient, query: Query) -> None:
    with pytest.raises(Unauthenticated):
        await users.sign_in("nobody-here", WRONG)
    assert await query("SELECT FROM audit") == []


async def test_a_person_gets_all_that_is_kept_of_him(http: httpx.AsyncClient, users: UsersClient) -> None:
    me = await users.sign_up("ada", Secret(PASSWORD), "ada@private.example")
    tokens = await users.sign_in("ada", Secret(PASSWORD))
    made = await users.create_token(tokens.access_token, NewApiToken(name="cron", scopes=["read"]))
    await users.sign_up("eve", Secret(PASSWORD), "eve@private.example")
    export = await users.export(tokens.access_token)
    assert export.profile == me and export.audit_next is None
    assert [session.current for session in export.sessions] == [True]
    assert export.tokens == [made.api_token] and export.identities == []
    assert told(export.audit) == ["account-created", "signed-in", "token-created"]
    answer = await http.get("/users/me/export", headers=bearer(tokens.access_token))
    assert answer.headers["cache-control"] == "no-store"
    for secret in (PASSWORD, "eve", made.token.reveal(), "argon2"):
        assert secret not in answer.text


async def test_an_export_says_where_the_older_entries_are(
    users: UsersClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.users.audit_api.EXPORTED_ENTRIES", 2)
    await users.sign_up("ada", Secret(PASSWORD))
    _, _, last = [await users.sign_in("ada", Secret(PASSWORD)) for _ in range(3)]
    access = last.access_token
    export = await users.export(access)
    rest = await users.list_audit(access, cursor=export.audit_next)
    assert told(rest.items) + told(export.audit) == ["account-created"] + ["signed-in"] * 3


@pytest.mark.usefixtures("side_by_side")
async def test_an_account_can_go_while_something_happens_to_it(users: UsersClient, query: Query) -> None:
    await users.sign_up("ada", Secret(PASSWORD))
    access = (await users.sign_in("ada", Secret(PASSWORD))).access_token
    attempts = (users.on_behalf_of(f"192.0.2.{n}", None).sign_in("ada", WRONG) for n in range(6))
    await asyncio.gather(users.delete_account(access, Secret(PASSWORD)), *attempts, return_exceptions=True)
    assert await query("SELECT FROM audit") == await query("SELECT FROM users") == []
