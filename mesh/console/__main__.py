"""`python -m mesh.console --state FOLDER --host ADDRESS`: the console as a process of its own."""

from __future__ import annotations

from pathlib import Path

import click
import uvicorn
from starlette.applications import Starlette

from mesh.console.app import create
from mesh.console.settings import PORT, Settings
from telemetry import logs


@click.command()
@click.option("--state", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--port", default=PORT, show_default=True)
@click.option("--checkout", type=click.Path(path_type=Path, file_okay=False))
def main(state: Path, host: str, port: int, checkout: Path | None) -> None:
    """Show the mesh of a state folder in a browser of this machine."""
    logs.configure("info", service="console")
    app = create(Settings(state=state, host=host, port=port, checkout=checkout))
    server(app, host, port).run()


class _Server(uvicorn.Server):
    """Ends the streams before it waits for open answers to end."""

    async def shutdown(self, sockets: object = None) -> None:
        app = self.config.app
        if isinstance(app, Starlette) and hasattr(app.state, "deps"):
            app.state.deps.streams.stop()
        await super().shutdown(sockets)  # type: ignore[arg-type]


def server(app: Starlette, host: str, port: int) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        # Its lines are made by whoever set up logging.
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=200,
        timeout_graceful_shutdown=2,
    )
    return _Server(config)


if __name__ == "__main__":
    main()
