"""The `delinkcious` command: one module of `delinkcious/commands/` per verb, loaded when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

# verb -> (module of delinkcious.commands, attribute in it)
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("up", "up"),
    "down": ("up", "down"),
    "status": ("up", "status"),
    "url": ("up", "url"),
    "ca": ("up", "ca"),
    "doctor": ("doctor", "doctor"),
    "mesh": ("mesh", "mesh"),
    "sign-up": ("account", "sign_up"),
    "sign-in": ("account", "sign_in"),
    "sign-out": ("account", "sign_out"),
    "import": ("bookmarks", "import_"),
    "export": ("bookmarks", "export"),
    "search": ("bookmarks", "search"),
}


class Verbs(click.Group):
    """Imports a verb's module only when it is needed, so that the program starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"delinkcious.commands.{module}"), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # click ends quietly when nobody reads its output any more.
            raise
        except OSError as error:
            where = "" if error.filename is None else f"{error.filename}: "
            raise click.ClickException(f"{where}{error.strerror or error}") from error


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="delinkcious")
def main() -> None:
    """Social bookmarking on an Istio service mesh that runs on a laptop."""


if __name__ == "__main__":
    main()
