"""A catalogue through a real studio: every row accounted for, nothing done twice."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from imagegen.batch.folder import output_folder
from imagegen.batch.outcome import Outcome
from imagegen.batch.plan import BatchOptions
from imagegen.batch.run import run_batch
from imagegen.errors import (
    CheckpointInvalid,
    InputFileInvalid,
    InvalidRequest,
    ModelNotFound,
    OutputNotWritable,
)
from imagegen.settings import load_settings
from imagegen.studio import Studio

CATALOGUE = """id;description;prompt;seed;size
bag;A red bag;;;
;A nameless belt;;;
bag;The same bag again;;;
sock;;;;
cap;Blue cap;a blue cap from the side;7;96x64
hat;Hat;;minus one;
../up;Escaping;;1;
up;Up;;1;
tie;A tie;;;10x10
"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Iterator[Studio]:
    data = tmp_path_factory.mktemp("data")
    with Studio(load_settings(data_dir=data, device="cpu", threads=1, model=str(tiny_checkpoint))) as studio:
        yield studio


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    file = tmp_path / "catalogue.csv"
    file.write_text(CATALOGUE)
    return file


def manifest(out: Path) -> list[dict[str, str]]:
    with (out / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_row_gets_its_picture_or_its_error(studio: Studio, catalogue: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    seen: list[Outcome] = []
    totals: list[int] = []
    report = run_batch(catalogue, out, studio, on_start=totals.append, on_outcome=seen.append)
    rows = manifest(out)
    assert totals == [9] == [len(rows)] == [report.total]
    assert (report.completed, report.failed) == (4, 5)
    assert [row["row"] for row in rows] == [str(i) for i in range(1, 10)]
    assert [row["file"] for row in rows] == ["bag.png", "", "", "", "cap.png", "", "up.png", "up-2.png", ""]
    assert [row["status"] for row in rows] == [outcome.status for outcome in seen]
    faults = {1: "id", 2: "already row 1", 3: "description", 5: "seed", 8: "size"}
    assert {i for i, row in enumerate(rows) if row["error"]} == set(faults)
    assert all(fault in rows[i]["error"] for i, fault in faults.items())
    assert rows[4]["prompt"] == "a blue cap from the side"
    assert rows[4]["seed"] == "7"
    with Image.open(out / "cap.png") as picture:
        assert picture.size == (96, 64)
    pictures = {path.name for path in out.iterdir()} - {"manifest.csv", "manifest.jsonl", "gallery.html"}
    assert pictures == {row["file"] for row in rows if row["file"]}
    # Noise is no product: whoever looks through the batch must be told where its cut-out is doubtful.
    assert "cutout" in rows[4]["warnings"]
    page = (out / "gallery.html").read_text(encoding="utf-8")
    assert "cutout" in page
    assert all(f'src="{name}"' in page for name in pictures)
    assert "Blue cap" in page


def test_started_again_it_makes_only_what_is_missing(studio: Studio, catalogue: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_batch(catalogue, out, studio)
    first = manifest(out)
    pictures = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    (out / "cap.png").unlink()
    catalogue.write_text(CATALOGUE.replace("Up;", "Up and away;").replace("minus one", "1"))
    report = run_batch(catalogue, out, studio)
    assert (report.completed, report.failed) == (5, 4)
    kept = {path.name for path, written in pictures.items() if path.stat().st_mtime_ns == written}
    assert kept == {"bag.png", "up.png"}
    again = manifest(out)
    assert [again[i] for i in (0, 6)] == [first[i] for i in (0, 6)]
    assert again[7]["prompt"] == "Up and away"


def test_the_same_catalogue_gives_the_same_pictures(studio: Studio, catalogue: Path, tmp_path: Path) -> None:
    for out in ("a", "b"):
        run_batch(catalogue, tmp_path / out, studio, BatchOptions(limit=1))
    assert (tmp_path / "a" / "bag.png").read_bytes() == (tmp_path / "b" / "bag.png").read_bytes()
    assert len(manifest(tmp_path / "a")) == 1


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_below_one_is_refused(studio: Studio, catalogue: Path, tmp_path: Path, limit: int) -> None:
    with pytest.raises(InvalidRequest) as refused:
        run_batch(catalogue, tmp_path / "out", studio, BatchOptions(limit=limit))
    assert refused.value.field == "limit"
    assert not (tmp_path / "out").exists()


def test_a_header_without_products_is_refused(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("id,description\n,\n")
    with pytest.raises(InputFileInvalid, match="no products"):
        run_batch(tmp_path / "empty.csv", tmp_path / "out", studio)
    assert not (tmp_path / "out").exists()


def test_a_fault_of_the_machine_ends_the_batch(
    catalogue: Path, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    import shutil

    with Studio(load_settings(data_dir=tmp_path, model="nobody")) as studio, pytest.raises(ModelNotFound):
        run_batch(catalogue, tmp_path / "out", studio)
    broken = shutil.copytree(tiny_checkpoint, tmp_path / "broken")
    weights = next((broken / "transformer").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1000])
    with (
        Studio(load_settings(data_dir=tmp_path, threads=1, model=str(broken))) as studio,
        pytest.raises(CheckpointInvalid),
    ):
        run_batch(catalogue, tmp_path / "out", studio)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "manifest.csv",
        "manifest.jsonl",
        "gallery.html",
    }
    assert manifest(tmp_path / "out") == []


def test_one_batch_at_a_time_in_a_folder(studio: Studio, catalogue: Path, tmp_path: Path) -> None:
    with output_folder(tmp_path / "out"), pytest.raises(OutputNotWritable, match="another batch"):
        run_batch(catalogue, tmp_path / "out", studio)
    with output_folder(tmp_path / "out"):
        pass


def test_its_own_manifest_is_no_catalogue(studio: Studio, catalogue: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    catalogue.rename(tmp_path / "out" / "manifest.csv")
    with pytest.raises(InvalidRequest, match="overwritten"):
        run_batch(tmp_path / "out" / "manifest.csv", tmp_path / "out", studio)
    assert (tmp_path / "out" / "manifest.csv").read_text() == CATALOGUE


def test_what_a_killed_batch_left_half_written_is_swept(tmp_path: Path) -> None:
    dies = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from imagegen.store.files import write_atomically\n"
        "Path.replace = lambda *_: os._exit(9)\n"
        "write_atomically(Path(sys.argv[1]), b'half')\n"
    )
    assert subprocess.run([sys.executable, "-c", dies, tmp_path / "bag.png"], check=False).returncode == 9
    (tmp_path / ".kept").write_text("somebody's own")
    assert len(list(tmp_path.glob(".bag.png.*.part"))) == 1
    with output_folder(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".kept"]


def test_a_folder_below_a_file_is_refused(studio: Studio, catalogue: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputNotWritable) as refused:
        run_batch(catalogue, tmp_path / "file" / "out", studio)
    assert refused.value.field == str(tmp_path / "file" / "out")
