"""`delinkcious completion`: what makes a shell complete this program's words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROGRAM = "delinkcious"
SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print what SHELL needs to complete commands and options: put it where the shell starts.

    bash: eval "$(delinkcious completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc;
    fish: delinkcious completion fish > ~/.config/fish/completions/delinkcious.fish
    """
    from delinkcious.__main__ import main

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click has all three
    click.echo(kind(main, {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE").source())
