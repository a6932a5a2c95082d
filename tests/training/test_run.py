"""Folders of a run: what one shares with another, and what it refuses to begin from."""

from pathlib import Path

import pytest

from training.config import load_config
from training.run import Recipe

CONFIG = Path(__file__).parents[2] / "training" / "configs" / "cpu-student.yaml"


def recipe(work: Path) -> Recipe:
    work.mkdir(exist_ok=True)
    return Recipe(load_config(CONFIG), work, work)


def test_a_run_beside_another_reads_its_latents_and_teacher_but_keeps_its_own(tmp_path: Path) -> None:
    other, work = tmp_path / "other", tmp_path / "work"
    (other / "latents").mkdir(parents=True)
    (other / "flow.pt").write_text("theirs")
    recipe(work).share(other)
    assert (work / "latents").samefile(other / "latents")
    assert (work / "flow.pt").read_text() == "theirs"
    (work / "flow.pt").unlink()
    (work / "flow.pt").write_text("ours")
    recipe(work).share(other)
    assert (work / "flow.pt").read_text() == "ours"


def test_a_run_without_a_teacher_is_nothing_to_stand_beside(tmp_path: Path) -> None:
    (tmp_path / "other" / "latents").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"flow\.pt"):
        recipe(tmp_path / "work").share(tmp_path / "other")


def test_a_run_that_began_without_a_checkpoint_takes_none_later(tmp_path: Path) -> None:
    begun = recipe(tmp_path / "work")
    (tmp_path / "work" / "text.pt").write_text("begun")
    with pytest.raises(FileExistsError, match="another folder"):
        begun.start(tmp_path)
