"""`delinkcious logs`: lines of every kind of process, merged, filtered, followed."""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from delinkcious.commands.logs import logs
from mesh.local.runtime.state import State
from mesh.logs import reading, sources
from mesh.logs.entry import read
from mesh.logs.reading import Filter, Tailed
from telemetry.line import parse

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OTHER = "0af7651916cd43dd8448eb211c80319c"


def own(second: int, event: str, **fields: object) -> str:
    line = {"time": f"2026-11-26T10:00:{second:02d}.5Z", "level": "info", "event": event, "service": "links"}
    return json.dumps(line | fields) + "\n"


def access(second: int, trace: str, **fields: object) -> str:
    line: dict[str, object] = {
        "time": f"2026-11-26T10:00:{second:02d}.123Z",
        "level": "info",
        "event": "access",
        "service": "istio-proxy",
        "method": "GET",
        "path": "/api/v1/links",
        "status": 200,
        "duration_ms": 12,
        "traceparent": f"00-{trace}-00f067aa0ba902b7-01",
    }
    return json.dumps(line | fields) + "\n"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """An installation that has run for some seconds."""
    zone = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    state = State(tmp_path / ".delinkcious")
    state.create()
    state.block.write_text("0")
    links = state.pods / "delinkcious" / "links-v1-0123abcd-0" / "logs"
    gateway = state.pods / "istio-system" / "ingressgateway-89ab0123-0" / "logs"
    for folder in (links, gateway):
        folder.mkdir(parents=True)
    (links / "links.previous.log").write_text(own(1, "earlier life", level="warning"))
    (links / "links.log").write_text(
        own(5, "unhandled error", level="error", trace_id=TRACE, method="GET", route="/api/v1/links",
            exception="Traceback\n  ZeroDivisionError: \u001b[2Jx")
    )  # fmt: skip
    (links / "istio-proxy.log").write_text(
        "[2026-11-26 10:00:02.250][77][warning][config] a warning of Envoy\n" + access(4, TRACE)
    )
    (gateway / "istio-proxy.log").write_text(access(3, TRACE) + access(8, OTHER, status=503, flags="UF"))
    logs = {
        "postgres": "2026-11-26 10:00:06.100 UTC [12] ERROR:  no such table\n\tand more of it\n",
        "nats": "[13294] 2026/11/26 10:00:07.065560 [ERR] no space\n",
        "redis": "13290:M 26 Nov 2026 10:00:07.752 * Ready to accept connections\n",
    }
    for name, text in logs.items():
        (state.processes / name).mkdir()
        (state.processes / name / "log").write_text(text)
    state.output.write_text("2026-11-26T10:00:09.000000Z pod links-v1 is ready\n  and this belongs to it\n")
    yield state
    os.environ.pop("TZ")
    if zone is not None:
        os.environ["TZ"] = zone
    time.tzset()


def run(state: State, *arguments: str) -> Result:
    return CliRunner().invoke(logs, ["--state", str(state.folder), *arguments])


def shown(state: State, *arguments: str) -> list[str]:
    """The second and the source of each line that is printed."""
    done = run(state, *arguments, "-o", "json")
    assert done.exit_code == 0, done.output
    found = [json.loads(line) for line in done.output.splitlines()]
    for line in found:
        parse(json.dumps(line))
    return [f"{dt.datetime.fromisoformat(line['time']).second} {line['source']}" for line in found]


def test_all_processes_are_merged_by_time_whatever_their_format(state: State) -> None:
    assert shown(state) == [
        "1 links-v1",
        "2 links-v1/proxy",
        "3 ingressgateway",
        "4 links-v1/proxy",
        "5 links-v1",
        "6 postgres",
        "6 postgres",
        "7 nats",
        "7 redis",
        "8 ingressgateway",
        "9 mesh",
        "9 mesh",
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--trace", TRACE], ["3 ingressgateway", "4 links-v1/proxy", "5 links-v1"]),
        (["--trace", TRACE[:8].upper()], ["3 ingressgateway", "4 links-v1/proxy", "5 links-v1"]),
        (["--trace", f"00-{OTHER}-00f067aa0ba902b7-01"], ["8 ingressgateway"]),
        (["--level", "error"], ["5 links-v1", "6 postgres", "6 postgres", "7 nats"]),
        (["--level", "warning", "links"], ["1 links-v1", "2 links-v1/proxy", "5 links-v1"]),
        (["-n", "2"], ["9 mesh", "9 mesh"]),
        (["-n", "0"], []),
        (["--since", "2026-11-26T10:00:08+00:00"], ["8 ingressgateway", "9 mesh", "9 mesh"]),
        (["gateway", "redis"], ["3 ingressgateway", "7 redis", "8 ingressgateway"]),
        (["links-v1", "-n", "1"], ["5 links-v1"]),
        (["sidecars", "--since", "2026-11-26T10:00:04+00:00"], ["4 links-v1/proxy", "8 ingressgateway"]),
    ],
)
def test_what_is_asked_for_is_shown(state: State, arguments: list[str], expected: list[str]) -> None:
    assert shown(state, *arguments) == expected


def test_a_line_for_people_says_what_happened_and_nothing_that_a_terminal_obeys(state: State) -> None:
    lines = run(state, "gateway", "links").output.splitlines()
    assert "10:00:03.123 info  ingressgateway" in lines[2]
    assert f"GET /api/v1/links 200 12 ms trace={TRACE}" in lines[2] + f" trace={TRACE}"
    assert "links-v1" in lines[4] and "unhandled error: GET /api/v1/links" in lines[4]
    assert lines[6] == "      ZeroDivisionError: \N{REPLACEMENT CHARACTER}[2Jx"
    assert "flags=UF" in lines[7]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lnks"], "no process is called lnks; there are: ingressgateway, links, mesh, nats, postgres"),
        (["--trace", "xyz"], "'xyz' is no trace id"),
        (["--since", "yesterday"], "'yesterday' is neither like 10m nor a time"),
        (["--level", "loud"], "'loud' is not one of"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(state: State, arguments: list[str], words: str) -> None:
    done = run(state, *arguments)
    assert done.exit_code != 0
    assert words in done.output
    assert "Traceback" not in done.output


def test_without_an_installation_it_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(logs, [])
    assert done.exit_code == 1
    assert done.output.startswith("Error: no mesh was started in ")


def test_following_goes_over_restarts_trims_and_new_processes_in_order(state: State) -> None:
    links = state.pods / "delinkcious" / "links-v1-0123abcd-0" / "logs" / "links.log"
    found = sources.find(state)
    known = [Tailed(source) for source in found]
    for tailed in known:
        tailed.skip()
    stream = reading.follow(lambda: sources.find(state), Filter(), known)
    heard: list[str] = []

    def listen(count: int) -> None:
        for entry in stream:
            heard.append(entry.event)
            if len(heard) == count:
                return

    def heard_so_far(count: int) -> list[str]:
        listener = threading.Thread(target=listen, args=(count,), daemon=True)
        listener.start()
        listener.join(20)
        assert not listener.is_alive(), heard
        return heard

    with links.open("a") as log:
        log.write(own(11, "second") + own(12, "third")[:20])
    with (state.processes / "redis" / "log").open("a") as log:
        log.write("13290:M 26 Nov 2026 10:00:10.752 * first\n")
    assert heard_so_far(2) == ["first", "second"]
    with links.open("a") as log:
        log.write(own(12, "third")[20:])
    assert heard_so_far(3)[2:] == ["third"]
    links.replace(links.with_suffix(".previous.log"))
    links.write_text(own(13, "restarted"))
    assert heard_so_far(4)[3:] == ["restarted"]
    os.truncate(links, 0)
    with links.open("a") as log:
        log.write(own(14, "x"))
    assert heard_so_far(5)[4:] == ["x"]
    later = state.pods / "delinkcious" / "links-v2-0123abcd-0" / "logs"
    later.mkdir(parents=True)
    (later / "links.log").write_text(own(15, "new process"))
    assert heard_so_far(6)[5:] == ["new process"]


def test_a_store_that_quotes_a_secret_is_not_repeated(state: State) -> None:
    source = sources.find(state)[0]
    line = "2026-11-26 10:00:06.100 UTC [12] LOG:  statement: ALTER ROLE x LOGIN PASSWORD 'hunter2'"
    assert "hunter2" not in read(line, source, None, 0).event


@pytest.mark.parametrize(
    ("line", "at", "level", "event"),
    [
        (
            "2026-11-26T13:56:02.123Z\twarn\tui/assets.go:27\tno assets\t{}",
            "2026-11-26T13:56:02.123+00:00",
            "warning",
            "ui/assets.go:27\tno assets\t{}",
        ),
        ("2026-11-26T14:56:02.123+0100\terror\tlost", "2026-11-26T13:56:02.123+00:00", "error", "lost"),
        (
            "2026/11/26 13:56:02 traces export: connection refused",
            "2026-11-26T13:56:02+00:00",
            "info",
            "traces export: connection refused",
        ),
        (
            'time=2026-11-26T13:56:02.123Z level=WARN source=main.go:1 msg="late"',
            "2026-11-26T13:56:02.123+00:00",
            "warning",
            'source=main.go:1 msg="late"',
        ),
    ],
)
def test_a_line_of_a_tool_has_its_own_time_and_level(
    state: State, line: str, at: str, level: str, event: str
) -> None:
    source = sources.find(state)[0]
    before = read(own(1, "of something else", level="error"), source, None, 0)
    entry = read(line, source, before, 0)
    assert entry.time_s == pytest.approx(dt.datetime.fromisoformat(at).timestamp())
    assert (entry.level, entry.event) == (level, event)


def test_what_is_younger_than_asked_for_is_left_out(state: State) -> None:
    until = dt.datetime.fromisoformat("2026-11-26T10:00:03.123+00:00").timestamp()
    found = reading.history(sources.find(state), Filter(until_s=until), 2)
    assert [entry.source.title for entry in found] == ["links-v1/proxy", "ingressgateway"]
