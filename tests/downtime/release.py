"""The next release of `links`: a column renamed without downtime, as expand, move over, contract.

It is a copy of the services with one word replaced, and three migrations: the new column and a trigger that
keeps both alike while old and new code serve; a backfill; and, once the old code is gone, the end of the old
column. The interface stays as it was.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import yaml

from delinkcious import local
from mesh.local.runtime.client import Client
from mesh.local.runtime.state import State
from tests.downtime.events import policy_of, promote, roll_back, scale
from tests.e2e.installation import NAMESPACE, Installation, Json
from tests.e2e.splitting import renamed_into_place

OLD, NEW = "health_reason", "dead_because"
LINKS = 20_000  # of others, for the backfill
MIGRATED_WITHIN_S = 120.0

EXPAND = f"""
ALTER TABLE links ADD COLUMN {NEW} text NOT NULL DEFAULT '';
CREATE FUNCTION keep_reasons_alike() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.{NEW} := coalesce(nullif(NEW.{NEW}, ''), NEW.{OLD});
        NEW.{OLD} := NEW.{NEW};
    ELSIF NEW.{OLD} <> OLD.{OLD} THEN
        NEW.{NEW} := NEW.{OLD};
    ELSIF NEW.{NEW} <> OLD.{NEW} THEN
        NEW.{OLD} := NEW.{NEW};
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER links_reasons BEFORE INSERT OR UPDATE OF {OLD}, {NEW} ON links
    FOR EACH ROW EXECUTE FUNCTION keep_reasons_alike();
"""
# By themselves the rows have not changed, so nobody has to hear of it.
BACKFILL = f"UPDATE links SET {NEW} = {OLD} WHERE {NEW} <> {OLD};\n"  # noqa: S608 - constants
CONTRACT = f"""
DROP TRIGGER links_reasons ON links;
DROP FUNCTION keep_reasons_alike();
ALTER TABLE links DROP COLUMN {OLD};
"""
# Back to the release that the installation has: first the old column, then, when that one serves, the rest.
RESTORED = f"""
ALTER TABLE links ADD COLUMN IF NOT EXISTS {OLD} text NOT NULL DEFAULT '';
UPDATE links SET {OLD} = {NEW} WHERE {OLD} <> {NEW};
"""  # noqa: S608 - constants
GONE = f"""
DROP TRIGGER IF EXISTS links_reasons ON links;
DROP FUNCTION IF EXISTS keep_reasons_alike();
ALTER TABLE links DROP COLUMN IF EXISTS {NEW};
DELETE FROM schema_migrations WHERE name LIKE '%{NEW}.sql' OR name LIKE '%post_{OLD}.sql';
"""  # noqa: S608 - constants
FILLED = f"SELECT count(*) FROM links WHERE {NEW} LIKE 'reason %'"  # noqa: S608 - constants
FILL = f"""
INSERT INTO links (owner_id, url, host, {OLD})
SELECT 9000000000, 'https://example.org/' || n, 'example.org', 'reason ' || n
FROM generate_series(1, $1::int) AS n
"""  # noqa: S608 - constants


@dataclass(frozen=True)
class Release:
    """A folder with the next release's code; run there, Python finds it before the installed one."""

    installation: Installation
    folder: Path

    def migrate(self, phase: str) -> None:
        """`python -m services.links migrate --phase ...`, as its Job runs it."""
        url = local.database_url("links", self.installation.state).reveal()
        done = subprocess.run(
            [sys.executable, "-m", "services.links", "migrate", "--phase", phase],
            cwd=self.folder,
            env={"DATABASE_URL": url, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=MIGRATED_WITHIN_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Its pod beside the old ones, without traffic yet."""
        manifest = _deployment(self.installation, "links-v2")
        manifest["spec"]["replicas"] = 1
        for container in manifest["spec"]["template"]["spec"]["containers"]:
            # Below the folder of the installation; a path that begins with a volume's would be in the volume.
            container["workingDir"] = os.path.relpath(self.folder, self.installation.checkout)
        text = yaml.safe_dump(manifest)
        client = Client(State(self.installation.state))
        client.post("/apply", {"documents": [{"file": "next.yaml", "text": text}]})
        client.post("/rollout", {"keys": [("Deployment", NAMESPACE, "links-v2")], "within_s": 60.0})


def prepared(installation: Installation) -> Release:
    """Write the release beside the installation."""
    folder = installation.folder / "next"
    shutil.copytree(
        Path(__file__).parents[2] / "services",
        folder / "services",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    links = folder / "services" / "links"
    replaced = 0
    for file in links.rglob("*.py"):
        text, count = re.subn(rf"\b{OLD}\b", NEW, file.read_text())
        replaced += count
        file.write_text(text)
    domain = links / "domain.py"
    header = "class Link(msgspec.Struct, frozen=True):"
    text = domain.read_text()
    assert header in text
    assert replaced
    domain.write_text(text.replace(header, header.replace("):", f', rename={{"{NEW}": "{OLD}"}}):')))
    _write_migrations(links / "migrations")
    return Release(installation, folder)


def _write_migrations(folder: Path) -> None:
    last = max(int(file.name[:4]) for file in folder.glob("*.sql"))
    names = (f"pre_{NEW}", f"pre_fill_{NEW}", f"post_{OLD}")
    for number, (name, sql) in enumerate(zip(names, (EXPAND, BACKFILL, CONTRACT), strict=True), last + 1):
        (folder / f"{number:04}_{name}.sql").write_text(sql)


def roll_out(release: Release) -> None:
    """Expand; both serve, with a step back meanwhile; the old one goes; contract."""
    policy = policy_of(release.installation, "links")
    release.migrate("pre")
    release.start()
    promote(policy)
    roll_back(policy)
    promote(policy)
    scale(release.installation, "links-v1", 0)
    release.migrate("post")


def undo(release: Release, original: str) -> None:
    """The installation as it was, with its own release; `original` is the file with the weights."""
    installation = release.installation
    asyncio.run(_execute(installation, RESTORED))
    scale(installation, "links-v1", 1)
    policy = policy_of(installation, "links")
    if policy.original != original:
        policy.edit(original, renamed_into_place)
    scale(installation, "links-v2", 0)
    keys = [("Deployment", NAMESPACE, "links-v2")]
    Client(State(installation.state)).post("/reset", {"keys": keys})
    asyncio.run(_execute(installation, GONE))


def filled(installation: Installation) -> int:
    """How many rows the migrations brought over."""
    return asyncio.run(_fetch(installation, FILLED))


def fill(installation: Installation) -> None:
    """Give the backfill something to do."""
    asyncio.run(_execute(installation, FILL, LINKS))


async def _execute(installation: Installation, sql: str, *arguments: object) -> None:
    connection = await asyncpg.connect(local.database_url("links", installation.state).reveal())
    try:
        await connection.execute(sql, *arguments)
    finally:
        await connection.close()


async def _fetch(installation: Installation, sql: str) -> int:
    connection = await asyncpg.connect(local.database_url("links", installation.state).reveal())
    try:
        return int(await connection.fetchval(sql))
    finally:
        await connection.close()


def _deployment(installation: Installation, name: str) -> Json:
    documents = yaml.safe_load_all((installation.checkout / "helm" / "local.yaml").read_text())
    found: Json = next(
        one for one in documents if one and one["kind"] == "Deployment" and one["metadata"]["name"] == name
    )
    return found
