"""Models that diffusers runs, on random ones of two families: the same surface as that of our own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from imagegen import ImageRequest, Studio
from imagegen.errors import Cancelled, CheckpointInvalid, InvalidRequest
from imagegen.networks.quantized_linear import QuantizedLinear
from imagegen.pipeline.diffusers_pipeline import DiffusersPipeline
from imagegen.pipeline.opening import open_pipeline
from imagegen.settings import load_settings
from imagegen.weights.catalog import read_card
from imagegen.weights.importers.find import find
from imagegen.weights.memory import memory_needs
from tests.diffusers_miniatures import make_sd3, make_sdxl

# diffusers' own, in its Euler scheduler, with today's numpy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FAMILIES = {"stable-diffusion-3": make_sd3, "stable-diffusion-xl": make_sdxl}


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FAMILIES[request.param](tmp_path_factory.mktemp("models") / request.param)


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> DiffusersPipeline:
    opened = open_pipeline(read_card(folder), "cpu")
    assert isinstance(opened, DiffusersPipeline)
    return opened


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def picture(pipeline: Any, prompt: str = "red shoe", seed: int = 1, **options: Any) -> np.ndarray:
    made = pipeline.generate([prompt], [seed], 64, 64, 2, **options).pictures[0].picture
    return np.asarray(made)


def test_the_card_says_what_diffusers_would_do(folder: Path) -> None:
    card = read_card(folder)
    assert card.by_diffusers
    assert card.architecture == folder.name
    assert (card.width, card.references) == (1024, 0)
    assert card.supports(1024, 768)
    assert not card.supports(1020, 768)
    (folder / "imagegen.json").write_text(json.dumps({"format_version": 1, "defaults": {"steps": 3}}))
    assert read_card(folder).steps == 3
    (folder / "imagegen.json").unlink()


def test_the_blocks_linears_are_packed_and_the_rest_kept(pipeline: DiffusersPipeline) -> None:
    assert pipeline.report is not None
    assert len(pipeline.report.packed) >= 20
    assert any("attn" in layer.name for layer in pipeline.report.packed)
    assert not any("time" in layer.name or "norm" in layer.name for layer in pipeline.report.packed)
    network = getattr(pipeline._pipeline, "transformer", None) or pipeline._pipeline.unet
    assert sum(isinstance(module, QuantizedLinear) for module in network.modules()) == len(
        pipeline.report.packed
    )


def test_dense_linears_give_diffusers_own_pixels_and_packed_ones_nearly(
    copy: Path, pipeline: DiffusersPipeline
) -> None:
    import diffusers

    (copy / "imagegen.json").write_text(json.dumps({"format_version": 1, "linears": "keep"}))
    card = read_card(copy)
    dense = DiffusersPipeline(card, "cpu")
    assert dense.report is None
    ours = picture(dense)
    expected = dense._pipeline(
        "red shoe",
        width=64,
        height=64,
        num_inference_steps=2,
        guidance_scale=card.guidance,
        generator=torch.Generator().manual_seed(1),
        output_type="np",
        **(
            {"max_sequence_length": 256}
            if isinstance(dense._pipeline, diffusers.StableDiffusion3Pipeline)
            else {}
        ),
    ).images[0]
    assert np.array_equal(ours, np.asarray((expected * 255).round(), np.uint8))
    assert np.abs(picture(pipeline).astype(int) - ours).mean() < 3


def test_a_picture_is_its_prompt_and_its_seed_whatever_the_batch(pipeline: DiffusersPipeline) -> None:
    alone = picture(pipeline)
    steps: list[tuple[int, int]] = []
    both = pipeline.generate(["blue hat", "red shoe"], [2, 1], 64, 64, 2, lambda *step: steps.append(step))
    assert np.array_equal(both.pictures[1].picture, alone)
    assert not np.array_equal(both.pictures[0].picture, alone)
    assert not np.array_equal(picture(pipeline, seed=3), alone)
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert alone.shape == (64, 64, 3)
    assert alone.std() > 5


def test_what_it_cannot_do_is_refused_or_said(
    pipeline: DiffusersPipeline, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidRequest, match="65x64"):
        pipeline.generate(["x"], [1], 65, 64, 2)
    with pytest.raises(InvalidRequest, match="words only"):
        picture(pipeline, starts=[np.zeros((64, 64, 3), np.uint8)])
    long = "a very secret product " * 10
    made = pipeline.generate([long], [1], 64, 64, 2, previews={0: [1]}, on_preview=lambda *_: None)
    assert "tokens too long" in made.pictures[0].warnings[0]
    assert "no picture before" in made.pictures[0].warnings[1]
    assert "secret" not in caplog.text + "".join(capfd.readouterr()), "prompts reach no log"


def test_a_callback_that_raises_stops_the_work(pipeline: DiffusersPipeline) -> None:
    seen: list[int] = []

    def stop(done: int, total: int) -> None:
        seen.append(done)
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        picture(pipeline, on_step=stop)
    assert seen == [1]


def test_memory_is_planned_from_the_files(folder: Path) -> None:
    needs = memory_needs(read_card(folder))
    stored = sum(path.stat().st_size for path in folder.glob("*/*.safetensors"))
    assert 0.9 * stored < needs.weights <= stored
    assert needs.peak(64, 64) < needs.peak(512, 512)
    assert not needs.evictable


@pytest.fixture
def studio(folder: Path, tmp_path: Path) -> Iterator[Studio]:
    with Studio(load_settings(data_dir=tmp_path, models_dir=folder.parent, device="cpu", threads=1)) as made:
        yield made


def test_the_studio_makes_and_finishes_its_pictures(studio: Studio, folder: Path) -> None:
    card = next(card for card in studio.models() if card.name == folder.name)
    request = ImageRequest("red shoe", model=card.name, steps=2, seed=1, width=64, height=64, recipe=None)
    futures = [studio.submit(request, seed=seed) for seed in (1, 2, 1)]
    made = [np.asarray(future.result().picture) for future in futures]
    assert np.array_equal(made[0], made[2])
    assert not np.array_equal(made[0], made[1])
    assert studio.submit(request).result().provenance.model == folder.name


def test_foreign_code_and_broken_files_are_refused(copy: Path) -> None:
    index = json.loads((copy / "model_index.json").read_text())
    (copy / "model_index.json").write_text(json.dumps(index | {"scheduler": ["os", "system"]}))
    with pytest.raises(CheckpointInvalid, match="asks for code of 'os'"):
        open_pipeline(read_card(copy), "cpu")
    (copy / "model_index.json").write_text(json.dumps(index))
    (copy / "imagegen.json").write_text(json.dumps({"format_version": 1, "linears": "fp8"}))
    with pytest.raises(CheckpointInvalid, match="'fp8' is none of int8"):
        open_pipeline(read_card(copy), "cpu")
    (copy / "imagegen.json").unlink()
    (copy / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"torn")
    with pytest.raises(CheckpointInvalid, match="copy"):
        open_pipeline(read_card(copy), "cpu")


def test_importing_it_says_that_it_runs_as_it_is(folder: Path) -> None:
    with pytest.raises(CheckpointInvalid, match="runs as it is") as refused:
        find(folder)
    assert "models folder" in str(refused.value)
