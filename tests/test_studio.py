"""The one call behind every door: request in, finished artifact out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imagegen import Artifact, ImageRequest, Recipe, Studio
from imagegen.engine import Generation
from imagegen.errors import Cancelled, CheckpointInvalid, InputFileInvalid, InvalidRequest, MissingDependency
from imagegen.settings import load_settings
from imagegen.store.identity import known_certificates
from imagegen_postprocess import encode, open_picture
from imagegen_postprocess.provenance.c2pa import has_manifest


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Iterator[Studio]:
    data = tmp_path_factory.mktemp("data")
    with Studio(load_settings(data_dir=data, device="cpu", model=str(tiny_checkpoint))) as studio:
        yield studio


def test_a_prompt_becomes_a_finished_picture(studio: Studio) -> None:
    artifact = studio.make("red leather handbag", seed=1)
    assert artifact.request is not None
    assert artifact.picture.size == (artifact.request.width, artifact.request.height)
    assert artifact.report is not None
    assert {"queue", "denoise", "decode", "finish"} <= set(artifact.timings)
    assert artifact.provenance.digital_source_type == "trainedAlgorithmicMedia"


def test_warming_up_finishes_a_picture_whatever_it_shows(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished: list[Generation] = []

    def refuse(self: Studio, generation: Generation) -> Artifact:
        finished.append(generation)
        raise InputFileInvalid("shows no product", field="picture")

    monkeypatch.setattr(Studio, "_artifact", refuse)
    studio.warm_up()
    (generation,) = finished
    assert generation.plan.request.recipe is not None


def test_warming_up_ends_with_the_cut_out_network_and_only_then_all_is_ready(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[object, list[str]]] = []

    def cut_out(self: Studio, picture: object, method: str) -> None:
        seen.append((method, studio.ailments()))

    monkeypatch.setattr(Studio, "cut_out", cut_out)
    studio.warm_up()
    assert seen == [("bundled", ["what finishing needs is not in memory (yet)"])]
    assert studio.ready


def test_the_same_seed_gives_the_same_picture(studio: Studio) -> None:
    first, again, other = (studio.make("black sunglasses", seed=seed, recipe=None) for seed in (9, 9, 10))
    np.testing.assert_array_equal(np.asarray(first.picture), np.asarray(again.picture))
    assert not np.array_equal(np.asarray(first.picture), np.asarray(other.picture))


def test_the_canvas_is_the_size_that_was_asked_for(studio: Studio) -> None:
    artifact = studio.make("white sock", seed=1, width=201, height=121)
    assert artifact.picture.size == (201, 121)
    assert any("resampled" in warning for warning in artifact.warnings)


def test_options_complete_a_request(studio: Studio, tiny_checkpoint: Path) -> None:
    request = ImageRequest("belt", model=str(tiny_checkpoint), seed=1)
    artifact = studio.make(request, steps=2)
    assert artifact.request is not None
    assert artifact.request.steps == 2
    with pytest.raises(InvalidRequest):
        studio.make("belt", steps=0)


def test_a_photo_is_finished_by_the_same_recipes(studio: Studio) -> None:
    photo = Image.new("RGB", (120, 90), (244, 244, 240))
    photo.paste((40, 60, 160), (40, 25, 80, 65))
    artifact = studio.finish(photo, Recipe(width=128, height=128, background="transparent"))
    assert artifact.picture.size == (128, 128)
    assert artifact.picture.mode == "RGBA"
    assert artifact.request is None
    assert artifact.provenance.digital_source_type == "algorithmicallyEnhanced"


def test_finishing_errors_join_the_tree(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))  # whatever this machine's owner has downloaded
    with pytest.raises(InputFileInvalid):
        studio.finish(Image.new("RGB", (2, 2)))
    with pytest.raises(MissingDependency, match="u2netp"):
        studio.finish(Image.new("RGB", (64, 64), "white"), Recipe(cutout="u2netp"))
    with pytest.raises(InvalidRequest, match="no-such-segmenter"):
        studio.finish(Image.new("RGB", (64, 64), "white"), Recipe(cutout="no-such-segmenter"))


def test_a_waiting_or_running_request_can_be_cancelled(studio: Studio) -> None:
    reached, opened = threading.Event(), threading.Event()

    def hold(done: int, total: int) -> None:
        reached.set()
        assert opened.wait(timeout=60)

    running = studio.submit("cap", seed=1, on_step=hold)
    assert reached.wait(timeout=60)
    waiting = studio.submit("cap", seed=2)
    assert studio.waiting == 1
    assert waiting.cancel()
    assert running.cancel()
    opened.set()
    assert studio.make("cap", seed=3).picture is not None


def test_a_broken_checkpoint_reaches_the_caller_by_name(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model_index.json").write_text("{")
    with Studio(load_settings(data_dir=tmp_path, device="cpu")) as studio, pytest.raises(CheckpointInvalid):
        studio.make("cap", model=str(tmp_path / "broken"))


def test_a_closed_studio_says_so(tiny_checkpoint: Path, tmp_path: Path) -> None:
    studio = Studio(load_settings(data_dir=tmp_path, device="cpu", model=str(tiny_checkpoint)))
    studio.close()
    studio.close()
    with pytest.raises(Cancelled):
        studio.make("cap")


def test_previews_come_in_order_and_what_looks_at_them_may_stop_the_picture(studio: Studio) -> None:
    seen: list[int] = []
    studio.submit("cap", seed=1, previews=2, on_preview=lambda i, pixels: seen.append(i)).result(60)
    assert seen == [0, 1]

    def refuse(i: int, pixels: object) -> None:
        raise ValueError("nobody looks any more")

    with pytest.raises(ValueError, match="nobody looks"):
        studio.submit("cap", seed=1, previews=1, on_preview=refuse).result(60)


def test_a_generated_picture_is_marked_and_signed_as_the_settings_say(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    from imagegen_postprocess import inspect_file

    photo = Image.fromarray(np.random.default_rng(0).integers(60, 200, (64, 64, 3), np.uint8))
    photo = photo.resize((512, 512), Image.Resampling.BICUBIC)
    said = {"xmp": encode(photo, "png", source_type="trainedAlgorithmicMedia"), "": encode(photo, "png")}
    for source, watermark, sign in (("xmp", True, True), ("xmp", False, False), ("", True, True)):
        settings = load_settings(
            data_dir=tmp_path, model=str(tiny_checkpoint), watermark=watermark, content_credentials=sign
        )
        with Studio(settings) as studio:
            artifact = studio.finish(open_picture(said[source]), Recipe(cutout="none", preset="shopee"))
            file = artifact.encode()
        found = inspect_file(file, "a.jpg", known_certificates(tmp_path, None))
        assert found.watermark.found == artifact.provenance.watermark == (watermark and bool(source))
        assert (found.credentials is not None and found.credentials.state == "trusted") == sign
        assert sign is False or found.credentials is not None
        assert found.credentials is None or found.credentials.source_types == (found.facts.source_type,)


def test_a_signed_file_still_fits_into_its_bytes(tmp_path: Path, tiny_checkpoint: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (1024, 1024, 3), np.uint8))
    settings = load_settings(data_dir=tmp_path, model=str(tiny_checkpoint), content_credentials=True)
    with Studio(settings) as studio:
        file = studio.finish(noise, Recipe.from_dict({"preset": "shopee", "cutout": "none"})).encode()
    assert len(file) <= 2 << 20
    assert has_manifest(file, "jpeg")
