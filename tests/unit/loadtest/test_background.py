"""Background traffic without a server: who it is, what it leaves, what its Secret says."""

# ruff: noqa: S311 - chance for tests
from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from loadtest import accounts, world
from loadtest.accounts import Account, NotLetIn
from loadtest.background import MIN_PASSWORD, person, target
from loadtest.exchange import Answer, Request
from loadtest.journeys import JOURNEYS
from loadtest.mix import BACKGROUND, load_mix
from loadtest.targets import Refused
from loadtest.world import World

PASSWORD = "p" * MIN_PASSWORD
SESSION = Answer(200, b'{"access_token": "eyJ-secret", "refresh_token": "r-secret", "expires_in": 600}')
YES, NO = Answer(201, b"{}"), Answer(401, b"{}")


def coming_back(answers: list[Answer]) -> tuple[list[str], Account]:
    account = Account("load-1", "", "", 0.0)
    coming = accounts.come_back(account, "password", "<file>", lambda: 1000.0)
    sent: list[Request] = [next(coming)]
    for answer in answers:
        try:
            sent.append(coming.send(answer))
        except StopIteration:
            return [request.name for request in sent], account
    raise AssertionError(f"not in after {sent[-1].name}")


def test_who_is_known_only_signs_in() -> None:
    sent, account = coming_back([SESSION])
    assert sent == ["sign in"]
    assert (account.access_token, account.expires_at) == ("eyJ-secret", 1600.0)


def test_who_is_not_known_signs_up_first() -> None:
    sent, account = coming_back([NO, YES, SESSION, YES])
    assert sent == ["sign in", "sign up", "sign in", "begin with links"]
    assert account.access_token == "eyJ-secret"


def test_a_service_that_is_away_makes_nobody_sign_up() -> None:
    with pytest.raises(NotLetIn, match="cannot sign in: no answer"):
        coming_back([Answer(0)])


def test_people_are_the_same_for_the_same_secret_and_no_others() -> None:
    first, again, second = person(PASSWORD, 0), person(PASSWORD, 0), person(PASSWORD, 1)
    assert first == again
    assert first.begin_with != second.begin_with
    other = person(PASSWORD + "x", 0)
    assert len({who.account.username for who in (first, second, other)}) == 3
    assert len({who.password for who in (first, second, other)}) == 3
    assert PASSWORD not in repr(first.account)


def test_the_mix_leaves_a_bounded_number_of_links_and_nothing_else_that_grows() -> None:
    mix = load_mix(BACKGROUND)
    assert not {"saver", "importer", "pinboard"} & set(mix.journeys)
    dice, people = random.Random(1), World([person(PASSWORD, 0).account])
    saved, deleted = set(), 0
    for _ in range(20_000):
        journey = JOURNEYS["keeper"](people.accounts[0], people, dice)
        saved.add(json.loads(next(journey).body or "")["url"])
        try:
            deleted += journey.send(Answer(201, b'{"id": 7}')).method == "DELETE"
        except StopIteration:
            continue
    assert len(saved) == world.SAME_LINKS
    assert 0.4 < deleted / 20_000 < 0.6


def secret(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def test_the_host_named_comes_before_the_one_of_the_secret(tmp_path: Path) -> None:
    folder = secret(tmp_path, password=f"{PASSWORD}\n", host="https://127.0.0.1:8443\n")
    assert target("", folder, 2).host == "https://127.0.0.1:8443"
    assert target("https://delinkcious.example", folder, 2).host == "https://delinkcious.example"
    assert target("", folder, 2).ca is None
    assert target("", secret(folder, ca_crt="..."), 2).ca == folder / "ca.crt"


def test_a_secret_that_could_be_guessed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="less than 16 characters"):
        target("https://delinkcious.example", secret(tmp_path, password="short"), 1)
