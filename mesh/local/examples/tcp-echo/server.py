"""Echoes what it is sent, line by line, with its own name before it."""

import asyncio
import os

HOST, PORT = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "9000"))
VERSION = os.environ.get("VERSION", "one")


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async for line in reader:
        writer.write(f"{VERSION} ".encode() + line)
        await writer.drain()
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(echo, HOST, PORT)
    await server.serve_forever()


asyncio.run(main())
