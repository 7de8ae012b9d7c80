"""Processes die at random while people save and follow: nothing acknowledged is lost, nothing is doubled."""

from __future__ import annotations

import logging
from collections import Counter

import httpx
import pytest

from tests.e2e.crashes import SETTLED_WITHIN_S, Actors, Drama, History, news_of, settled
from tests.e2e.installation import Installation, eventually
from tests.e2e.traffic import all_links

log = logging.getLogger(__name__)  # pytest --log-cli-level=info shows the figures


def play(installation: Installation, edge: httpx.Client, *, authors: int, saves: int, kills: int) -> History:
    actors = Actors(
        [installation.account() for _ in range(authors)],
        [installation.account() for _ in range(authors // 2)],
    )
    history = Drama(installation, actors, seed=saves).run(saves, kills)
    eventually(lambda: settled(installation), SETTLED_WITHIN_S, "every event is handled")

    kept = {author.name: [link["url"] for link in all_links(edge, author)] for author in actors.authors}
    news = {reader.name: news_of(edge, reader) for reader in actors.readers}
    log.info(
        "%s saves and %s follows acknowledged with %s retries, killed %s; %s in stores, %s in news",
        sum(map(len, history.saved.values())),
        sum(map(len, history.follows.values())),
        history.retries,
        dict(history.kills),
        sum(map(len, kept.values())),
        sum(map(len, news.values())),
    )
    for author in actors.authors:
        assert Counter(kept[author.name]) == Counter(history.saved.get(author.name, []))
    for reader in actors.readers:
        wanted = [url for name in history.follows[reader.name] for url in history.saved.get(name, [])]
        assert Counter(news[reader.name]) == Counter(wanted)
    assert sum(history.kills.values()) >= kills - 3  # one may have died by itself in the same moment
    return history


@pytest.mark.timeout(300)
def test_a_few_kills_lose_and_double_nothing(installation: Installation, edge: httpx.Client) -> None:
    play(installation, edge, authors=4, saves=120, kills=5)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_kills_during_two_thousand_saves_lose_and_double_nothing(
    installation: Installation, edge: httpx.Client
) -> None:
    play(installation, edge, authors=20, saves=2_000, kills=50)
