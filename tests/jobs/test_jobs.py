"""Durable jobs in a real studio and a real database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from imagegen.errors import CheckpointInvalid, ModelNotFound, OutputNotWritable, SettingsInvalid
from imagegen.jobs.job import JobState
from imagegen.jobs.jobs import Jobs
from imagegen.request import ImageRequest
from imagegen.settings import load_settings
from imagegen.studio import Studio


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Iterator[Studio]:
    data = tmp_path_factory.mktemp("data")
    with Studio(load_settings(data_dir=data, device="cpu", threads=1, model=str(tiny_checkpoint))) as studio:
        yield studio


def ask(studio: Studio, **options: object) -> ImageRequest:
    return ImageRequest("red bag", model=studio.settings.model, seed=3, recipe=None, **options)  # type: ignore[arg-type]


def test_a_job_makes_its_picture_and_is_on_record(studio: Studio, tmp_path: Path) -> None:
    file = tmp_path / "bag.png"
    with Jobs(studio) as jobs:
        jobs.submit("made", ask(studio), file)
        job = jobs.wait("made")
    assert (job.state, job.file, job.seed, job.error) == (JobState.COMPLETED, file, 3, None)
    assert job.seconds is not None
    assert job.seconds > 0
    with Image.open(file) as picture:
        picture.load()
    with Jobs(studio) as later:  # as another process would find it
        assert later.wait("made") == job


def test_a_completed_job_is_not_done_again_unless_its_file_is_gone(studio: Studio, tmp_path: Path) -> None:
    file = tmp_path / "bag.png"
    with Jobs(studio) as jobs:
        jobs.submit("once", ask(studio), file)
        jobs.wait("once")
        file.write_bytes(b"retouched by its owner")
        jobs.submit("once", ask(studio), file)
        assert jobs.wait("once").state is JobState.COMPLETED
        assert file.read_bytes() == b"retouched by its owner"
        file.unlink()
        jobs.submit("once", ask(studio), file)
        jobs.wait("once")
        assert file.is_file()


def test_a_failed_job_says_why_and_can_be_tried_again(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    file = tmp_path / "taken" / "bag.png"
    with Jobs(studio) as jobs:
        jobs.submit("fails", ask(studio), file)
        job = jobs.wait("fails")
        assert job.state is JobState.FAILED
        assert isinstance(job.error, OutputNotWritable)
    with Jobs(studio) as later:
        recorded = later.get("fails")
        assert recorded is not None
        assert recorded.state is JobState.FAILED
        assert str(file) in str(recorded.error)
        (tmp_path / "taken").unlink()
        later.submit("fails", ask(studio), file)
        assert later.wait("fails").state is JobState.COMPLETED


def test_faults_of_the_machine_come_as_what_they_are(
    studio: Studio, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    with Jobs(studio) as jobs:
        jobs.submit("nobody", ImageRequest("bag", model="nobody"), tmp_path / "a.png")
        assert isinstance(jobs.wait("nobody").error, ModelNotFound)
        broken = tmp_path / "broken"
        broken.mkdir()
        (broken / "model_index.json").write_text("{")
        jobs.submit("broken", ImageRequest("bag", model=str(broken)), tmp_path / "a.png")
        assert isinstance(jobs.wait("broken").error, CheckpointInvalid)
    assert not (tmp_path / "a.png").exists()


def test_a_job_can_be_cancelled_while_it_runs(studio: Studio, tmp_path: Path) -> None:
    file = tmp_path / "bag.png"
    with Jobs(studio) as jobs:
        jobs.submit("long", ask(studio, steps=100), file)
        running = jobs.get("long")
        assert running is not None
        assert running.state is JobState.GENERATING
        jobs.cancel("long")
        assert jobs.wait("long").state is JobState.CANCELLED
    assert not file.exists()


def test_leaving_by_an_exception_cancels_what_runs(studio: Studio, tmp_path: Path) -> None:
    def leave() -> None:
        with Jobs(studio) as jobs:
            for i in range(3):
                jobs.submit(f"left-{i}", ask(studio, steps=100), tmp_path / f"{i}.png")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
    assert list(tmp_path.iterdir()) == []
    with Jobs(studio) as later:
        assert {later.wait(f"left-{i}").state for i in range(3)} == {JobState.CANCELLED}


def test_an_unknown_job(studio: Studio) -> None:
    with Jobs(studio) as jobs:
        assert jobs.get("nobody knows it") is None
        with pytest.raises(KeyError):
            jobs.wait("nobody knows it")


def test_a_database_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    below_a_file = load_settings(data_dir=tmp_path / "file" / "data")
    with (
        Studio(below_a_file) as studio,
        pytest.raises(OutputNotWritable, match=r"jobs\.sqlite"),
        Jobs(studio),
    ):
        pass
    (tmp_path / "jobs.sqlite").write_text("this is no database " * 100)
    with (
        Studio(load_settings(data_dir=tmp_path)) as studio,
        pytest.raises(OutputNotWritable, match=r"jobs\.sqlite") as refused,
        Jobs(studio),
    ):
        pass
    assert "IMAGEGEN_DATA_DIR" in str(refused.value.hint)
    wrong = load_settings(data_dir=tmp_path, database_url="nonsense")
    with Studio(wrong) as studio, pytest.raises(SettingsInvalid, match="database_url"), Jobs(studio):
        pass


def test_no_thread_is_left_behind(studio: Studio) -> None:
    before = set(threading.enumerate())
    with Jobs(studio):
        pass
    assert [thread.name for thread in set(threading.enumerate()) - before if thread.is_alive()] == []
