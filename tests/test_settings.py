"""Settings come from the environment, are frozen, and unknown ones are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
from pydantic import ValidationError

from imagegen.errors import SettingsInvalid
from imagegen.settings import Settings, load_settings


def test_the_defaults_are_private() -> None:
    settings = load_settings()
    assert settings.host == "127.0.0.1"
    assert settings.api_keys == ()
    assert settings.database_url is None


def test_the_environment_sets_and_the_caller_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEGEN_PORT", "9000")
    monkeypatch.setenv("IMAGEGEN_API_KEYS", "one, two,")
    assert load_settings().port == 9000
    assert load_settings().api_keys == ("one", "two")
    assert load_settings(port=9001, host=None).port == 9001


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("IMAGEGEN_PORT", "70000", "port"),
        ("IMAGEGEN_QUEUE_SIZE", "0", "queue_size"),
        ("IMAGEGEN_DEVICE", "abacus", "device"),
        ("IMAGEGEN_QEUE_SIZE", "8", "IMAGEGEN_QEUE_SIZE"),
    ],
)
def test_bad_and_unknown_settings_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, field: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid) as refused:
        load_settings()
    assert refused.value.field == field
    assert refused.value.hint is not None


def test_unknown_overrides_are_refused() -> None:
    with pytest.raises(SettingsInvalid, match="colour"):
        load_settings(colour="red")


def test_settings_do_not_change(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path)
    with pytest.raises(ValidationError):
        settings.port = 1


def test_the_documentation_lists_every_setting_with_its_default() -> None:
    page = (Path(__file__).parents[1] / "docs" / "settings.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `IMAGEGEN_")]
    assert rows == [
        f"| `IMAGEGEN_{name.upper()}` | {_default(name)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]


def _default(name: str) -> str:
    if name == "data_dir":
        return "`~/.local/share/imagegen`"
    if name == "models_dir":
        return "`models` in the data folder"
    value = Settings.model_fields[name].default
    if value in (None, ()):
        return "none"
    if get_origin(annotation := Settings.model_fields[name].annotation) is Literal:
        others = [f"`{choice}`" for choice in get_args(annotation) if choice != value]
        return f"`{value}`; or {', '.join(others)}"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
