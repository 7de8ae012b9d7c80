"""The `delinkcious` command: one module of `delinkcious/commands/` per verb, loaded when it is called."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from delinkcious import output

# verb -> (module of delinkcious.commands, attribute in it, what `delinkcious --help` says of it)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "up": ("up", "up", "Start everything on this machine."),
    "down": ("up", "down", "End everything that `up` started; the data stay."),
    "status": ("up", "status", "Show what runs and where."),
    "url": ("up", "url", "Print the public address, or that of Jaeger or Prometheus, for scripts."),
    "ca": ("up", "ca", "Print the file of the certificate to trust, for scripts."),
    "env": ("env", "env", "List the environments that can run side by side here."),
    "backup": ("backup", "backup", "Write all data into one file."),
    "restore": ("backup", "restore", "Make the installation what it was in such a file."),
    "kubeconfig": (
        "up_kubernetes",
        "kubeconfig",
        "Print the file for kubectl and helm, after up --kubernetes.",
    ),
    "logs": ("logs", "logs", "Print what every process says, merged by time; or one trace."),
    "doctor": ("doctor", "doctor", "Say what is missing on this machine and how to mend it."),
    "tools": ("tools", "tools", "Bring Jaeger and Prometheus, or say where they are."),
    "sign-up": ("account", "sign_up", "Make an account and sign in."),
    "sign-in": ("account", "sign_in", "Sign in; the session is kept for the commands that follow."),
    "sign-out": ("account", "sign_out", "End the session of this computer."),
    "link": ("links", "link", "Save, change and delete links."),
    "search": ("search", "search", "Find links."),
    "import": ("bookmarks", "import_", "Import bookmark files of browsers and services."),
    "export": ("bookmarks", "export", "Write all your links as a bookmark file."),
    "follow": ("people", "follow", "Follow people: their public links become your news."),
    "unfollow": ("people", "unfollow", "Follow people no longer."),
    "people": ("people", "people", "List whom you follow, or who follows you."),
    "news": ("news", "news", "Show your news; build timelines anew."),
    "checker": ("checker", "checker", "Look after the link checker."),
    "mesh": ("mesh", "mesh", "Run Kubernetes manifests and Istio YAML on this machine."),
    "canary": ("canary", "canary", "Roll a new version out by evidence, and watch it."),
    "trace": ("trace", "trace", "Show what a request's time was spent on, as a tree."),
    "fault": ("fault", "fault", "Break the local installation on purpose, and see which alert tells."),
    "events": ("events", "events", "Look after the events between services."),
    "seed": ("seed", "seed", "Fill an installation with example people, links and follows."),
    "load": ("load", "load", "Send what people do, find out how much is borne, compare two runs."),
    "completion": ("completion", "completion", "Let your shell complete commands and options."),
}


class Verbs(click.Group):
    """Imports a verb's module only when that verb runs, so that the program starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"delinkcious.commands.{module}"), attribute)
        return command

    def main(self, *args: Any, **kwargs: Any) -> Any:
        if sys.stdout is sys.__stdout__ and sys.stdout is not None:
            sys.stdout = output.told_apart(sys.stdout)
        try:
            try:
                return super().main(*args, **kwargs)
            finally:
                if sys.stdout is not None:
                    sys.stdout.flush()
        except OSError as error:  # also of what is printed without any command, as by --help
            output.give_up(error)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except output.Unwritable as error:
            output.give_up(error)
        except BrokenPipeError:
            # click ends quietly when nobody reads what it writes any more.
            raise
        except OSError as error:
            where = "" if error.filename is None else f"{error.filename}: "
            raise click.ClickException(f"{where}{error.strerror or error}") from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, _, text) in COMMANDS.items()])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="delinkcious")
def main() -> None:
    """Social bookmarking on an Istio service mesh that runs on a laptop."""


if __name__ == "__main__":
    main()
