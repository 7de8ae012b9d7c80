"""Example data: as many as asked for, the same for the same seed, in the shapes of the real thing."""

from __future__ import annotations

from collections import Counter

from delinkcious.seeding import Shape
from services.links import domain
from services.links.domain import NewLink


def test_the_same_seed_gives_the_same_data_and_another_one_other_data() -> None:
    shape, same, other = Shape(50, 500), Shape(50, 500), Shape(50, 500, seed=2)
    assert shape.owners() == same.owners() != other.owners()
    assert list(shape.links_of(3, 20)) == list(same.links_of(3, 20)) != list(other.links_of(3, 20))
    assert list(shape.follows()) == list(same.follows()) != list(other.follows())
    assert not set(shape.usernames()) & set(other.usernames())


def test_there_are_as_many_links_as_asked_for() -> None:
    for users, links in ((10, 0), (10, 7), (10, 1_000)):
        counts = Shape(users, links).owners()
        assert len(counts) == users
        assert sum(counts) == links


def test_links_are_in_their_stored_form() -> None:
    for link in Shape(5, 100).links_of(0, 100):
        sent = NewLink(url=link.url, title=link.title, note=link.note, tags=tuple(link.tags))
        values = domain.normalise(sent)
        assert (values.url, values.host, values.title) == (link.url, link.host, link.title)
        assert (values.note, values.tags) == (link.note, link.tags)


def test_a_few_have_most_followers_and_links_and_nobody_follows_twice_or_themselves() -> None:
    shape = Shape(1_000, 20_000)
    pairs = list(shape.follows())
    assert len(set(pairs)) == len(pairs)
    assert all(follower != followee for follower, followee in pairs)
    followers = Counter(followee for _, followee in pairs)
    assert sum(count for _, count in followers.most_common(100)) > len(pairs) / 3
    links = sorted(shape.owners(), reverse=True)
    assert sum(links[:100]) > sum(links) / 4
    assert min(links) >= 1
