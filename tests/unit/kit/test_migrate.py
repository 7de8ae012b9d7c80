import pytest

from services.kit.migrate import InvalidMigration, Migration, pending

FILES = [
    Migration("p", name, name)
    for name in ("0001_a.sql", "0002_post_b.sql", "0003_pre_c.sql", "0004_post_d.sql")
]


def names(due: list[Migration]) -> list[str]:
    return [migration.name[:4] for migration in due]


def test_a_post_file_of_an_earlier_release_runs_before_what_follows_it() -> None:
    assert names(pending(FILES, {}, "pre")) == ["0001", "0002", "0003"]
    done = {("p", file.name): file.checksum for file in FILES[:3]}
    assert names(pending(FILES, done, "pre")) == []
    assert names(pending(FILES, done, "post")) == ["0004"]
    assert names(pending(FILES, {}, "all")) == ["0001", "0002", "0003", "0004"]


def test_an_edited_migration_is_refused() -> None:
    with pytest.raises(InvalidMigration, match="0001_a"):
        pending(FILES, {("p", "0001_a.sql"): "another"}, "post")


def test_a_migration_knows_its_phase() -> None:
    assert [
        Migration("p", name, "").post for name in ("0001_a.sql", "0002_pre_a.sql", "0003_post_a.sql")
    ] == [
        False,
        False,
        True,
    ]
