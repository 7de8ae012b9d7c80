"""Journeys and accounts without a server: few names, what follows from answers, no secret shown."""

# ruff: noqa: S311 - chance for tests
from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable

import pytest

from loadtest import accounts, world
from loadtest.accounts import Account, NotLetIn
from loadtest.exchange import Answer, Request
from loadtest.journeys import JOURNEYS
from loadtest.vocabulary import PowerLaw
from loadtest.world import World

PEOPLE = [Account(f"load-{n}", f"access-{n}", f"refresh-{n}", 1e12, f"dlk_{n}") for n in range(5)]
PAGE = Answer(200, json.dumps({"items": [], "next": "more", "id": 7}).encode())


def walked(name: str, seed: int, answer: Callable[[Request], Answer] = lambda _: PAGE) -> list[Request]:
    """The requests of one journey that is always answered so."""
    dice, around = random.Random(seed), World(PEOPLE)
    journey = JOURNEYS[name](around.somebody(dice), around, dice)
    sent = [next(journey)]
    while True:
        try:
            sent.append(journey.send(answer(sent[-1])))
        except StopIteration:
            return sent


@pytest.mark.parametrize("name", JOURNEYS)
def test_names_are_few_and_hold_nothing_of_a_path(name: str) -> None:
    sent = [request for seed in range(200) for request in walked(name, seed)]
    assert len({request.name for request in sent}) <= 5
    assert all(request.path.startswith("/") for request in sent)
    assert not any(character.isdigit() for request in sent for character in request.name)


@pytest.mark.parametrize("name", JOURNEYS)
def test_the_same_dice_make_the_same_journey(name: str) -> None:
    def comparable(requests: list[Request]) -> list[tuple[str, str]]:
        return [(request.name, request.method) for request in requests]

    assert comparable(walked(name, 3)) == comparable(walked(name, 3))


def test_a_second_page_is_asked_for_only_where_there_is_one() -> None:
    last = Answer(200, b'{"items": [], "next": null}')
    for name, page in (("reader", "list links, next page"), ("searcher", "search, next page")):
        names = {request.name for seed in range(100) for request in walked(name, seed)}
        assert page in names
        assert page not in {r.name for seed in range(100) for r in walked(name, seed, lambda _: last)}


def test_every_save_has_a_key_of_its_own() -> None:
    saves = [r for seed in range(50) for r in walked("saver", seed) if r.name == "save a link"]
    assert len({request.headers["idempotency-key"] for request in saves}) == len(saves) == 50


def test_nobody_imports_two_files_at_once_while_others_are_free() -> None:
    people = [Account(f"load-{n}", "", "", 1e12) for n in range(3)]
    around, dice = World(people), random.Random(1)
    running = [JOURNEYS["importer"](people[0], around, dice) for _ in range(3)]
    for journey in running:
        next(journey)
    assert all(person.importing for person in people)
    for journey in running:
        journey.close()
    assert not any(person.importing for person in people)


def test_a_few_do_most() -> None:
    around, dice = World([Account(f"load-{n}", "", "", 1e12) for n in range(50)]), random.Random(1)
    done = Counter(around.somebody(dice).username for _ in range(10_000))
    five = sum(count for _, count in done.most_common(5))
    assert 0.25 < five / 10_000 < 0.5


def test_a_power_law_draws_by_its_weights() -> None:
    law, dice = PowerLaw(100, 1.0), random.Random(1)
    drawn = Counter(law.draw(dice) for _ in range(50_000))
    assert set(drawn) <= set(range(100))
    assert drawn[0] / drawn[9] == pytest.approx(10, rel=0.2)


def test_a_file_is_one_as_browsers_write_it() -> None:
    text = world.bookmark_file(random.Random(1), links=30)
    assert text.count("<DT><A ") == 30
    assert text.startswith("<!DOCTYPE NETSCAPE-Bookmark-file-1>")


def entered(answers: list[Answer]) -> tuple[list[Request], Account]:
    entering = accounts.enter("<file>", lambda: 1000.0)
    sent = [next(entering)]
    for answer in answers:
        try:
            sent.append(entering.send(answer))
        except StopIteration as stop:
            return sent, stop.value
    raise AssertionError("not entered")


SESSION = Answer(
    200,
    b'{"access_token": "eyJ-secret", "refresh_token": "r-secret", "expires_in": 600, "token_type": "Bearer"}',
)
TOKEN = Answer(201, b'{"token": "dlk_secret"}')


def test_an_account_signs_up_and_in_once_and_shows_no_secret() -> None:
    sent, account = entered([Answer(201, b"{}"), SESSION, TOKEN, Answer(200, b"{}")])
    assert [request.name for request in sent] == ["sign up", "sign in", "make a token", "begin with links"]
    password = json.loads(sent[0].body or "")["password"]
    shown = repr(sent) + repr(account) + str(account)
    assert password not in shown
    assert "secret" not in shown
    assert account.headers["authorization"] == "Bearer eyJ-secret"
    assert not account.is_due(1000.0)
    assert account.is_due(1000.0 + 500.0)


def test_who_is_not_let_in_says_why_without_the_password() -> None:
    entering = accounts.enter("<file>")
    password = json.loads(next(entering).body or "")["password"]
    with pytest.raises(NotLetIn, match="cannot sign up: too many") as raised:
        entering.send(Answer(429, b'{"detail": "too many"}'))
    assert password not in str(raised.value)


def test_a_token_is_renewed_by_one_at_a_time() -> None:
    account = Account("load-1", "old", "refresh", 0.0)
    renewing = accounts.renew(account, lambda: 1000.0)
    request = next(renewing)
    assert json.loads(request.body or "") == {"refresh_token": "refresh"}
    assert not account.is_due(1000.0)
    with pytest.raises(StopIteration):
        renewing.send(SESSION)
    assert account.access_token == "eyJ-secret"
    assert account.expires_at == 1600.0
