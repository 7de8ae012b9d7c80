"""Settings: from variables and files, redacted, documented."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta

import services
from services.kit.settings import InvalidSettings, Secret, ServiceSettings, describe, load, printable


class Settings(ServiceSettings, frozen=True, kw_only=True):
    key: Annotated[Secret, Meta(description="A key.")]
    undocumented: int = 1


def test_defaults_variables_and_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    environment = {"KEY_FILE": str(tmp_path / "key"), "PORT": "81", "LOG_REQUESTS": "true", "OTHER": "x"}
    settings = load(Settings, environment)
    assert (settings.key.reveal(), settings.port, settings.log_requests) == ("s3cret", 81, True)
    assert settings.metrics_port == 9090


def test_every_fault_is_named_and_no_secret_is() -> None:
    with pytest.raises(InvalidSettings) as raised:
        load(Settings, {"PORT": "65536", "TRACE_RATIO": "2", "LOG_LEVEL": "loud"})
    text = str(raised.value)
    assert text.count(";") == 3
    for name in ("PORT", "TRACE_RATIO", "LOG_LEVEL", "KEY is missing"):
        assert name in text


def test_a_secret_is_printed_nowhere() -> None:
    settings = load(Settings, {"KEY": "s3cret"})
    for text in (repr(settings), str(settings), str(printable(settings)), f"{settings.key}"):
        assert "s3cret" not in text
    assert printable(settings)["KEY"] == "***"
    assert settings.key == Secret("s3cret") != Secret("other")


def test_of_several_values_of_a_secret_the_first_is_shown_and_each_is_accepted() -> None:
    assert (Secret("new,old").first(), Secret("new,old").several()) == ("new", ["new", "old"])
    assert (Secret("").first(), Secret("").several()) == ("", [])


def test_an_undocumented_setting_is_noticed() -> None:
    assert [setting.name for setting in describe(Settings) if not setting.description] == ["UNDOCUMENTED"]


def test_every_setting_of_every_service_is_documented() -> None:
    kinds: list[type[ServiceSettings]] = [ServiceSettings]
    for module in pkgutil.iter_modules(services.__path__, "services."):
        try:
            settings = importlib.import_module(f"{module.name}.settings")
        except ModuleNotFoundError:
            continue
        kinds += [
            kind
            for kind in vars(settings).values()
            if isinstance(kind, type) and issubclass(kind, ServiceSettings)
        ]
    undocumented = [
        f"{kind.__module__}: {setting.name}"
        for kind in kinds
        for setting in describe(kind)
        if not setting.description
    ]
    assert not undocumented
