"""Every service's migrations, judged by squawk: what would lock a table that is in use."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

# The kit sets lock_timeout, and the server ends a statement that takes too long.
SET_ELSEWHERE = ("require-lock-timeout", "require-statement-timeout")
# The migrations that make the first schema: their tables are empty when they run.
FIRST = ("prefer-bigint-over-smallint", "adding-field-with-default", "require-concurrent-index-creation")


def squawk(files: list[Path], excluded: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sysconfig.get_path("scripts")) / "squawk"), "--pg-version", "18"]
    command += ["--assume-in-transaction", "--reporter", "gcc", "--exclude", ",".join(excluded)]
    return subprocess.run(
        [*command, *map(str, files)], capture_output=True, text=True, timeout=60, check=False
    )


def test_no_migration_blocks_a_table_that_is_in_use(repository: Path) -> None:
    files = sorted(repository.glob("services/*/migrations/*.sql"))
    assert len(files) >= 5
    first = [file for file in files if "_pre_" not in file.name and "_post_" not in file.name]
    judged = squawk(first, SET_ELSEWHERE + FIRST)
    assert judged.returncode == 0, judged.stdout
    if later := [file for file in files if file not in first]:
        judged = squawk(later, SET_ELSEWHERE)
        assert judged.returncode == 0, judged.stdout


def test_a_migration_that_blocks_would_be_found(tmp_path: Path) -> None:
    file = tmp_path / "0002_pre_add.sql"
    file.write_text("CREATE INDEX links_slow_idx ON links (title);\n")
    judged = squawk([file], SET_ELSEWHERE)
    assert judged.returncode != 0
    assert "require-concurrent-index-creation" in judged.stdout
