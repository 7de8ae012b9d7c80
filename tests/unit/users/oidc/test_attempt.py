from __future__ import annotations

import re

from services.kit.settings import Secret
from services.users.oidc.attempt import Attempt, TicketSecret
from services.users.oidc.domain import usernames_like
from services.users.oidc.messages import FinishSignIn, LinkIdentity, NewAccount, SignInBegun, UnknownIdentity

PEPPER = b"p" * 32


def test_an_attempt_is_made_again_from_its_text() -> None:
    attempt = Attempt.generate(PEPPER)
    again = Attempt.parse(attempt.text, PEPPER)
    assert again == attempt and again.state == attempt.state
    assert attempt.began(attempt.state) and not attempt.began(attempt.nonce) and not attempt.began("é")


def test_its_secrets_are_different_and_of_the_form_that_pkce_wants() -> None:
    attempt = Attempt.generate(PEPPER)
    secrets = {attempt.state, attempt.nonce, attempt.code_verifier, attempt.text.reveal()[4:]}
    assert len(secrets) == 4
    assert all(re.fullmatch(r"[\w-]{43}", secret) for secret in secrets)


def test_without_the_pepper_they_are_others() -> None:
    attempt = Attempt.generate(PEPPER)
    stolen = Attempt.parse(attempt.text, b"q" * 32)
    assert stolen is not None and stolen.hash == attempt.hash
    assert {stolen.state, stolen.nonce, stolen.code_verifier}.isdisjoint(
        {attempt.state, attempt.nonce, attempt.code_verifier}
    )


def test_what_is_no_attempt_and_no_ticket_is_none() -> None:
    attempt, ticket = Attempt.generate(PEPPER), TicketSecret.generate()
    assert TicketSecret.parse(ticket.text) == ticket
    for text in ("", "dlo_", attempt.text.reveal()[:-1], attempt.text.reveal() + "A", ticket.text.reveal()):
        assert Attempt.parse(Secret(text), PEPPER) is None
    assert TicketSecret.parse(attempt.text) is None


def test_usernames_are_offered_in_the_form_that_they_have_here() -> None:
    assert next(usernames_like("Ada.Lovelace")) == "ada-lovelace"
    assert list(usernames_like("ada"))[:3] == ["ada", "ada-2", "ada-3"]
    assert next(usernames_like("admin")) == "admin-2"
    assert next(usernames_like("  Zoë Ünal ")) == "zo-nal"
    assert next(usernames_like("x" * 300)) == "x" * 28
    assert list(usernames_like("ё")) == list(usernames_like("")) == []


def test_no_message_prints_a_secret() -> None:
    secret = Secret("s3cr3t")
    printed = [
        SignInBegun(authorization_url="https://x", transaction=secret, expires_in=1),
        FinishSignIn(transaction=secret, provider="acme", code="s3cr3t", state="s3cr3t"),
        NewAccount(ticket=secret, username="ada"),
        LinkIdentity(ticket=secret, password=secret),
        UnknownIdentity(
            ticket=secret,
            expires_in=1,
            provider="acme",
            email=None,
            suggested_username=None,
            account_exists=False,
        ),
    ]
    assert "s3cr3t" not in repr(printed)
