"""What journeys read and write: links, files, words to look for, people to follow."""

from __future__ import annotations

import html
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from loadtest.accounts import Account
from loadtest.vocabulary import WORDS, PowerLaw, host_law, name, tag, tag_law

# A few people do most, and a few are followed by most (exponents as in social networks).
ACTIVITY_LAW, FOLLOWER_LAW = 0.7, 0.9
TAGS_PER_LINK = (0, 1, 2, 2, 3, 4, 5)
FILE_LINKS = 50
MAX_NUMBER = 10**12
# Which links are saved again and again, however long it goes on.
SAME_LINKS = 500


@dataclass(frozen=True)
class World:
    """The accounts of one sender, by activity."""

    accounts: Sequence[Account]

    def somebody(self, dice: random.Random) -> Account:
        """Who begins a journey."""
        return self.accounts[self._activity.draw(dice)]

    def followed(self, dice: random.Random) -> Account:
        """Whom somebody wants to follow."""
        return self.accounts[self._fame.draw(dice)]

    def importer(self, who: Account, dice: random.Random) -> Account:
        """Who imports a file: nobody two at once, as long as somebody is free."""
        free = [account for account in self.accounts if not account.importing]
        return dice.choice(free) if who.importing and free else who

    @cached_property
    def _activity(self) -> PowerLaw:
        return PowerLaw(len(self.accounts), ACTIVITY_LAW)

    @cached_property
    def _fame(self) -> PowerLaw:
        return PowerLaw(len(self.accounts), FOLLOWER_LAW)


def link(dice: random.Random) -> dict[str, Any]:
    """A link to save that its owner hardly has yet."""
    words = dice.choices(WORDS, k=dice.randint(3, 8))
    host = name(host_law().draw(dice))
    return {
        "url": f"https://www.{host}.example/{words[0]}/{dice.randrange(MAX_NUMBER)}",
        "title": " ".join(words).capitalize(),
        "note": " ".join(dice.choices(WORDS, k=12)) if dice.random() < 0.2 else "",
        "tags": sorted({a_tag(dice) for _ in range(dice.choice(TAGS_PER_LINK))}),
        "private": dice.random() < 0.1,
        "to_read": dice.random() < 0.1,
    }


def same_link(dice: random.Random) -> dict[str, Any]:
    """One of SAME_LINKS to save, each time with another title and other tags."""
    number = dice.randrange(SAME_LINKS)
    return {**link(dice), "url": f"https://www.{name(number)}.example/again"}


def a_tag(dice: random.Random) -> str:
    """A tag, frequent ones often."""
    return tag(tag_law().draw(dice))


def words_to_look_for(dice: random.Random) -> str:
    """A search as people write them: mostly one or two words, sometimes a tag."""
    kind = dice.random()
    if kind < 0.2:
        return f"tag:{a_tag(dice)}"
    words = dice.choices(WORDS, k=1 if kind < 0.7 else 2)
    return " ".join(words)


def bookmark_file(dice: random.Random, links: int = FILE_LINKS) -> str:
    """A file as browsers export it."""
    lines = ["<!DOCTYPE NETSCAPE-Bookmark-file-1>", "<TITLE>Bookmarks</TITLE>", "<DL><p>"]
    lines += [_entry(link(dice), dice) for _ in range(links)]
    return "\n".join([*lines, "</DL><p>", ""])


def _entry(saved: Mapping[str, Any], dice: random.Random) -> str:
    added = 1_300_000_000 + dice.randrange(400_000_000)
    tags = html.escape(",".join(saved["tags"]))
    title = html.escape(saved["title"])
    return f'<DT><A HREF="{html.escape(saved["url"])}" ADD_DATE="{added}" TAGS="{tags}">{title}</A>'
