from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagegen.errors import CheckpointInvalid, ModelNotFound
from imagegen.weights.catalog import ModelCard, find_model, list_models, read_card


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with one model, only as much of it as a card needs."""
    write_model(tmp_path / "small")
    return tmp_path


def write_model(folder: Path, *, distilled: bool = True, own: dict[str, Any] | None = None) -> None:
    (folder / "vae").mkdir(parents=True)
    (folder / "vae" / "config.json").write_text(json.dumps({"block_out_channels": [128, 256, 512, 512]}))
    index = {"_class_name": "Flux2KleinPipeline", "is_distilled": distilled}
    (folder / "model_index.json").write_text(json.dumps(index))
    if own is not None:
        (folder / "imagegen.json").write_text(json.dumps({"format_version": 1} | own))


def test_without_imagegen_json_a_model_is_a_klein(models: Path) -> None:
    card = find_model("small", models)
    assert (card.name, card.architecture, card.licence) == ("small", "flux2-klein", "unknown")
    assert (card.steps, card.guidance, card.width, card.height) == (4, 1.0, 1024, 1024)
    assert (card.text_length, card.text_encoder_out_layers, card.multiple) == (512, (9, 18, 27), 16)
    assert card.disk_bytes == sum(f.stat().st_size for f in card.path.rglob("*") if f.is_file())
    assert card.supports(1024, 768)
    assert not card.supports(1024, 700)
    assert not card.supports(0, 16)


def test_a_klein_looks_at_four_photos_unless_its_file_says_otherwise(models: Path) -> None:
    assert find_model("small", models).references == 4
    write_model(models / "blind", own={"references": 0})
    assert find_model("blind", models).references == 0
    assert find_model("starter").references == 0
    write_model(models / "odd", own={"references": 17})
    with pytest.raises(CheckpointInvalid, match="references"):
        find_model("odd", models)


def test_a_base_model_needs_guidance_and_many_steps(models: Path) -> None:
    write_model(models / "base", distilled=False)
    card = find_model("base", models)
    assert (card.steps, card.guidance) == (50, 4.0)


def test_imagegen_json_says_what_differs(models: Path) -> None:
    own = {
        "name": "Shop",
        "licence": "MIT",
        "source": "ours",
        "defaults": {"steps": 6, "width": 256, "height": 192, "guidance": 2},
        "sizes": [[256, 192], [192, 256]],
    }
    write_model(models / "folder", own=own)
    card = find_model("Shop", models)
    assert card == find_model("folder", models) == find_model(str(models / "folder"))
    assert (card.name, card.licence, card.source) == ("Shop", "MIT", "ours")
    assert (card.steps, card.width, card.height, card.guidance) == (6, 256, 192, 2.0)
    assert card.sizes == ((256, 192), (192, 256))
    assert card.supports(192, 256)
    assert not card.supports(256, 256)


def test_the_revision_changes_with_the_files(models: Path) -> None:
    before: ModelCard = find_model("small", models)
    assert find_model("small", models).revision == before.revision
    (models / "small" / "vae" / "more.bin").write_bytes(b"123")
    assert find_model("small", models).revision != before.revision


def test_an_unknown_model_is_refused_with_what_there_is(models: Path) -> None:
    for name in ("nothing", str(models / "nothing"), "..", ""):
        with pytest.raises(ModelNotFound) as error:
            find_model(name, models)
        assert error.value.field == "model"
        assert "small" in str(error.value.hint)


def test_a_broken_model_does_not_hide_the_others(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_model(models / "broken")
    (models / "broken" / "model_index.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        names = [card.name for card in list_models(models)]
    assert "small" in names
    assert "broken" not in names
    assert "broken" in caplog.text
    with pytest.raises(CheckpointInvalid, match="JSON"):
        find_model("broken", models)


Damage = Callable[[Path], object]


def edit(file: str, **changes: Any) -> Damage:
    def apply(folder: Path) -> None:
        path = folder / file
        content = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(content | changes))

    return apply


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (edit("model_index.json", _class_name="StableDiffusionPipeline"), "model_index.json"),
        (lambda folder: (folder / "model_index.json").write_text("[]"), "model_index.json"),
        (lambda folder: shutil.rmtree(folder / "vae"), "vae/config.json"),
        (edit("vae/config.json", block_out_channels=None), "block_out_channels"),
        (edit("imagegen.json", format_version=2), "imagegen.json"),
        (edit("imagegen.json", format_version=1, architecture="sana"), "architecture"),
        (edit("imagegen.json", format_version=1, defaults={"step": 4}), "defaults"),
        (edit("imagegen.json", format_version=1, defaults=4), "defaults"),
        (edit("imagegen.json", format_version=1, defaults={"steps": 0}), "defaults.steps"),
        (edit("imagegen.json", format_version=1, defaults={"guidance": 0.5}), "defaults.guidance"),
        (edit("imagegen.json", format_version=1, defaults={"text_encoder_out_layers": []}), "out_layers"),
        (edit("imagegen.json", format_version=1, sizes=[[256]]), "sizes"),
        (edit("imagegen.json", format_version=1, sizes=[]), "sizes"),
    ],
)
def test_a_card_that_makes_no_sense_is_refused_by_file_and_key(
    models: Path, damage: Damage, named: str
) -> None:
    damage(models / "small")
    with pytest.raises(CheckpointInvalid) as error:
        read_card(models / "small")
    assert named in str(error.value.field)
