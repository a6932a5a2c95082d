"""An artifact saves itself whole, in the format its name asks for, and tells where it came from."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from imagegen.artifact import GENERATED, RETOUCHED, Artifact, Format, Provenance, format_of
from imagegen.errors import InvalidRequest, OutputNotWritable
from imagegen.request import ImageRequest
from imagegen.store.files import ArtifactFiles
from imagegen_postprocess import Recipe, read_facts


@pytest.fixture
def artifact() -> Artifact:
    return Artifact(
        picture=Image.new("RGB", (64, 48), (200, 30, 40)),
        request=ImageRequest("red cap", seed=3, width=64, height=64, steps=4),
        provenance=Provenance(GENERATED, "starter", "r1", 256, 256),
        timings={"queue": 5.0, "load": 3.0, "denoise": 0.25, "decode": 0.5},
        warnings=("a warning",),
    )


@pytest.mark.parametrize(
    ("name", "format"), [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.JPEG", "JPEG"), ("a.webp", "WEBP")]
)
def test_the_suffix_picks_the_format(artifact: Artifact, tmp_path: Path, name: str, format: str) -> None:
    with Image.open(artifact.save(tmp_path / name)) as saved:
        assert saved.format == format
        assert saved.size == (64, 48)
        assert "icc_profile" in saved.info


@pytest.mark.parametrize("name", ["a.gif", "a", "a.png.txt"])
def test_other_suffixes_are_refused_before_anything_is_written(
    artifact: Artifact, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        artifact.save(tmp_path / name)
    assert refused.value.field == "output"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InvalidRequest):
        format_of(name)


def test_an_unwritable_place_is_named(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputNotWritable, match="file/a"):
        artifact.save(tmp_path / "file" / "a.png")


def test_a_transparent_jpeg_is_refused(tmp_path: Path) -> None:
    cut_out = Artifact(picture=Image.new("RGBA", (64, 64), (0, 0, 0, 0)), provenance=Provenance(GENERATED))
    with pytest.raises(InvalidRequest):
        cut_out.save(tmp_path / "a.jpg")
    assert list(tmp_path.iterdir()) == []


def test_it_tells_its_story_as_json(artifact: Artifact) -> None:
    story = json.loads(json.dumps(artifact.to_dict()))
    assert story["request"]["seed"] == 3
    assert story["request"]["recipe"]["background"] == "white"
    assert story["provenance"]["digital_source_type"] == "trainedAlgorithmicMedia"
    assert story["warnings"] == ["a warning"]
    assert artifact.seconds == 0.75


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_the_store_gives_back_what_was_put(artifact: Artifact, tmp_path: Path, format: Format) -> None:
    files = ArtifactFiles(tmp_path)
    path = files.path(files.put(artifact, format))
    assert path is not None
    with Image.open(io.BytesIO(path.read_bytes())) as stored:
        assert stored.size == artifact.picture.size


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
@pytest.mark.parametrize("origin", [GENERATED, RETOUCHED])
def test_every_file_says_how_it_was_made(tmp_path: Path, name: str, origin: str) -> None:
    picture = Image.new("RGB", (64, 48))
    picture.info["exif"] = b"SECRET"
    file = Artifact(picture=picture, provenance=Provenance(origin)).save(tmp_path / name)
    facts = read_facts(file.read_bytes(), name)
    assert (facts.source_type, facts.exif, facts.gps) == (origin, False, False)


def test_a_preset_limits_format_and_bytes() -> None:
    noisy = Image.effect_noise((1024, 1024), 90).convert("RGB")
    made = Artifact(picture=noisy, provenance=Provenance(RETOUCHED), recipe=Recipe(preset="shopee"))
    assert made.encode().startswith(b"\xff\xd8")
    assert len(made.encode(quality=100)) <= 2 << 20
    with pytest.raises(InvalidRequest) as refused:
        made.encode("webp")
    assert refused.value.field == "format"
