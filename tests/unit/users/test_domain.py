from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.users import domain
from services.users.common_passwords import COMMON_PASSWORDS
from services.users.domain import InvalidAccount, NewApiToken, StoredSession, Verdict

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
HASHES = st.sampled_from([bytes([number]) * 32 for number in range(4)])


@given(st.text(max_size=40))
def test_a_username_that_passes_is_in_its_one_form(text: str) -> None:
    try:
        folded = domain.fold_username(text)
    except InvalidAccount:
        return
    assert folded == text.lower()
    assert folded.isascii() and 3 <= len(folded) <= 32
    assert domain.fold_username(folded.upper()) == folded == domain.attempted_username(text)


@pytest.mark.parametrize(
    "text", ["ab", "a" * 33, "a b", "a.b", "ada\n", "\u212aarl", "\u0430da", "", "me", "ROOT"]
)
def test_a_malformed_reserved_or_foreign_username_is_refused(text: str) -> None:
    with pytest.raises(InvalidAccount):
        domain.fold_username(text)


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "x" * 257,
        "password123",
        "PassWord123",
        "aaaaabbbbb",
        "1212121212121212",
        "grace-hopper",
        "GRACE-HOPPER1",
        "grace-hoppergrace-hopper1234",
    ],
)
def test_a_password_that_is_guessed_first_is_refused(password: str) -> None:
    with pytest.raises(InvalidAccount) as refusal:
        domain.check_password(password, "grace-hopper")
    assert password not in str(refusal.value)


@pytest.mark.parametrize(
    "password",
    [
        "a long walk by the sea",
        "x1y2z3w4v5",
        "\u65e5\u672c\u8a9e\u306e\u30d1\u30b9\u30ef\u30fc\u30c9\u3067\u3059",
        "grace-hopper counts 7 ships",
    ],
)
def test_any_other_password_will_do(password: str) -> None:
    domain.check_password(password, "grace-hopper")


def test_the_common_passwords_are_such_as_could_be_chosen() -> None:
    assert len(COMMON_PASSWORDS) > 300
    for password in COMMON_PASSWORDS:
        assert len(password) >= domain.MIN_PASSWORD_CHARACTERS
        assert password == password.casefold()


@pytest.mark.parametrize("text", ["a", "@b.c", "a@b", "a b@c.de", "a@b.c" + "d" * 250, "a@.", "a\n@b.cd"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidAccount):
        domain.check_email(text)


def test_a_token_has_each_scope_once_and_a_trimmed_name() -> None:
    new = NewApiToken(name=" cron ", scopes=["write", "read", "write"])
    assert domain.check_new_token(new, NOW) == NewApiToken(name="cron", scopes=["read", "write"])


def test_nothing_prints_an_address() -> None:
    assert "example" not in repr(domain.User(1, "ada", "ada@example.org", NOW))


sessions = st.builds(
    StoredSession,
    id=st.just(1),
    user_id=st.just(1),
    username=st.just("ada"),
    secret_hash=HASHES,
    previous_hash=st.none() | HASHES,
    request_key=st.none() | HASHES,
    refreshed_at=st.just(NOW),
    expires_at=st.just(NOW + dt.timedelta(hours=1)),
    ends_at=st.just(NOW + dt.timedelta(hours=1)),
)


@given(sessions, HASHES, HASHES, st.none() | HASHES, st.integers(0, 7_200))
def test_only_the_latest_token_goes_on_and_only_its_own_repetition_is_forgiven(
    session: StoredSession, presented: bytes, following: bytes, key: bytes | None, seconds: int
) -> None:
    now = NOW + dt.timedelta(seconds=seconds)
    verdict = domain.judge_refresh(
        session, presented=presented, following=following, request_key=key, now=now
    )
    if verdict is Verdict.ROTATE:
        assert presented == session.secret_hash
    if verdict is Verdict.REPEAT:
        assert key is not None and key == session.request_key and seconds <= 60
        assert (presented, following) == (session.previous_hash, session.secret_hash)
    if presented != session.secret_hash and key is None and seconds < 3_600:
        assert verdict is Verdict.REUSED
    if seconds >= 3_600:
        assert verdict is Verdict.EXPIRED


@given(st.text())
def test_a_user_agent_fits_its_column(text: str) -> None:
    assert len(domain.shorten_user_agent(text)) <= 200
