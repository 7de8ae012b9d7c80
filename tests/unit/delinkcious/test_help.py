"""What `--help` says of every command."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from delinkcious.__main__ import main


def _commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    for verb in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), verb)
        assert command is not None
        yield f"{name} {verb}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{name} {verb}")


COMMANDS = dict(_commands(main, "delinkcious"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_every_option_says_what_it_does(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_the_server_may_be_named_by_the_environment() -> None:
    [server] = [option for option in COMMANDS["delinkcious search"].params if option.name == "server"]
    assert isinstance(server, click.Option)
    assert "DELINKCIOUS_SERVER" in (server.help or "")
