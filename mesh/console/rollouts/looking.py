"""The runs of this mesh, read as their journals grow, made into parts of pages.

What reads them needs numpy, thirty megabytes: it is loaded when somebody first looks at a rollout.
"""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mesh.console.errors import NotThere, Unshown
from mesh.console.rendering import render

if TYPE_CHECKING:
    from mesh.canary.views.following import Follower
    from mesh.canary.views.story import Story
    from mesh.canary.views.summary import Summary

# Below the state folder of the local mesh.
FOLDER = "canary"
# The newest. Of those that have ended one line each is kept, of so many others all that was read.
MOST_RUNS = 50
MOST_KEPT = 16
MOST_EVENTS = 200


class Rollouts:
    """All readers share what was read; files and decisions are no work for the event loop."""

    def __init__(self, state: Path) -> None:
        self._folder = state / FOLDER
        self._lock = threading.Lock()
        self._followers: dict[Path, Follower] = {}
        self._ended: dict[Path, Summary] = {}

    async def runs(self) -> str:
        """The list of runs. Raises Unshown."""
        return await asyncio.to_thread(self._runs)

    async def run(self, name: str) -> str:
        """One run. Raises NotThere, Unshown."""
        return await asyncio.to_thread(self._run, name)

    def _runs(self) -> str:
        from mesh.canary.runs.folder import Folder, name_of
        from mesh.canary.views import words
        from mesh.canary.views.following import NotAJournal

        rows, damaged = [], []
        with self._lock:
            for path in reversed(Folder(self._folder).runs()[-MOST_RUNS:]):
                try:
                    rows.append(self._ended.get(path) or self._summary(path))
                except (NotAJournal, OSError):
                    damaged.append(name_of(path))
        return render("parts/runs.html", rows=rows, damaged=damaged, words=words, most=MOST_RUNS)

    def _run(self, name: str) -> str:
        from mesh.canary.runs.folder import Folder, name_of
        from mesh.canary.views.following import NotAJournal

        path = next((path for path in Folder(self._folder).runs() if name_of(path) == name), None)
        if path is None:
            raise NotThere(f"There is no run {name}.")
        with self._lock:
            try:
                return _drawn(self._read(path))
            except NotAJournal:
                raise Unshown(f"The journal of run {name} cannot be read.") from None
            except OSError as error:
                raise Unshown(f"The journal of run {name}: {error.strerror or error}.") from None

    def _summary(self, path: Path) -> Summary:
        from mesh.canary.views import summary

        told = self._read(path)
        found = summary.summary(told, time.time())
        if told.ended:
            self._ended[path] = found
            del self._followers[path]
        return found

    def _read(self, path: Path) -> Story:
        from mesh.canary.views.following import Follower, NotAJournal

        follower = self._followers.pop(path, None) or Follower(path)
        self._followers[path] = follower
        while len(self._followers) > MOST_KEPT:
            del self._followers[next(iter(self._followers))]
        follower.look()
        if follower.story is None:
            raise NotAJournal("it has no event")
        return follower.story


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _drawn(told: Story) -> str:
    from mesh.canary.views import explaining, summary, waiting, words
    from mesh.console.rollouts import plots

    now = told.last_at if told.ended else time.time()
    return render(
        "parts/rollout.html",
        told=told,
        now=now,
        about=summary.summary(told, now),
        plots=plots.plots(told),
        paragraphs=explaining.paragraphs(told, now),
        standing=waiting.standing(told),
        ended=_sentence(words.ended(told.verdict, told.reason)) if told.ended and told.verdict else "",
        waits=waiting.waiting(told, now),
        silence=waiting.silence(told, now),
        notes=told.notes[: -MOST_EVENTS - 1 : -1],
        left_out=max(0, len(told.notes) - MOST_EVENTS),
        words=words,
    )
