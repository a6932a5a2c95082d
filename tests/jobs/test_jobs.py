"""Durable jobs with a place of their own, in a real studio and a real database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from imagegen.errors import JobNotFound, OutputNotWritable, SettingsInvalid
from imagegen.jobs.job import JobState
from imagegen.jobs.jobs import Jobs
from imagegen.jobs.running import Running
from imagegen.jobs.upkeep import Upkeep
from imagegen.request import ImageRequest
from imagegen.settings import Settings, load_settings
from imagegen.studio import Studio

Ask = Callable[..., ImageRequest]


def test_a_job_makes_its_picture_and_is_on_record(
    studio: Studio, settings: Settings, ask: Ask, tmp_path: Path
) -> None:
    file = tmp_path / "bag.png"
    with Jobs(studio, settings) as jobs:
        jobs.submit(ask(), id="made", destination=file)
        job = jobs.wait("made")
    assert (job.state, job.file, job.seed, job.error) == (JobState.COMPLETED, file, 3, None)
    assert job.request == ask()
    assert job.seconds is not None
    assert job.seconds > 0
    assert job.step == job.steps == 4
    assert job.created <= (job.ended or 0)
    with Image.open(file) as picture:
        picture.load()
    with Jobs(None, settings) as later:  # as another process would find it
        assert later.wait("made") == job


def test_a_completed_job_is_not_done_again_unless_its_file_is_gone(
    studio: Studio, settings: Settings, ask: Ask, tmp_path: Path
) -> None:
    file = tmp_path / "bag.png"
    with Jobs(studio, settings) as jobs:
        jobs.submit(ask(), id="once", destination=file, again=True)
        jobs.wait("once")
        file.write_bytes(b"retouched by its owner")
        jobs.submit(ask(), id="once", destination=file, again=True)
        assert jobs.wait("once").state is JobState.COMPLETED
        assert file.read_bytes() == b"retouched by its owner"
        file.unlink()
        jobs.submit(ask(), id="once", destination=file, again=True)
        jobs.wait("once")
        assert file.is_file()


def test_a_failed_job_says_why_and_is_done_anew_only_when_asked(
    studio: Studio, settings: Settings, ask: Ask, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    file = tmp_path / "taken" / "bag.png"
    with Jobs(studio, settings) as jobs:
        jobs.submit(ask(), id="fails", destination=file)
        job = jobs.wait("fails")
        assert job.state is JobState.FAILED
        assert job.error is not None
        assert job.error["code"] == OutputNotWritable.code
        assert job.error["param"] == str(file)
    with Jobs(studio, settings) as later:
        assert later.get("fails") == job
        (tmp_path / "taken").unlink()
        assert later.submit(ask(), id="fails", destination=file) == job
        later.submit(ask(), id="fails", destination=file, again=True)
        assert later.wait("fails").state is JobState.COMPLETED


def test_faults_of_the_machine_are_named(
    studio: Studio, settings: Settings, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model_index.json").write_text("{")
    with Jobs(studio, settings) as jobs:
        for model, code in (("nobody", "model_not_found"), (str(broken), "checkpoint_invalid")):
            job = jobs.submit(ImageRequest("bag", model=model), destination=tmp_path / "a.png")
            assert (jobs.wait(job.id).error or {})["code"] == code
    assert not (tmp_path / "a.png").exists()


def test_a_job_can_be_cancelled_while_it_runs(
    studio: Studio, settings: Settings, ask: Ask, tmp_path: Path
) -> None:
    file = tmp_path / "bag.png"
    with Jobs(studio, settings) as jobs:
        assert jobs.submit(ask(steps=100), id="long", destination=file).state is JobState.GENERATING
        jobs.cancel("long")
        assert jobs.wait("long").state is JobState.CANCELLED
        assert jobs.cancel("long").state is JobState.CANCELLED
    assert not file.exists()


def test_a_cancel_that_comes_before_the_work_begins_is_not_lost(
    studio: Studio, settings: Settings, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process has taken the job and does not yet know that it makes it: nobody is there to be told."""
    enter, file = Running.enter, tmp_path / "bag.png"
    monkeypatch.setattr(Upkeep, "round", lambda self: None)  # which would notice two seconds later

    def late(self: Running, id: str) -> None:
        jobs.cancel(id)
        enter(self, id)

    monkeypatch.setattr(Running, "enter", late)
    with Jobs(studio, settings) as jobs:
        jobs.submit(ask(), id="early", destination=file)
        assert jobs.wait("early").state is JobState.CANCELLED
    assert not file.exists()


def test_leaving_by_an_exception_cancels_what_runs(
    studio: Studio, settings: Settings, ask: Ask, tmp_path: Path
) -> None:
    def leave() -> None:
        with Jobs(studio, settings) as jobs:
            for i in range(3):
                jobs.submit(ask(steps=100), id=f"left-{i}", destination=tmp_path / f"{i}.png", batch="left")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
    assert list(tmp_path.glob("*.png")) == []
    with Jobs(None, settings) as later:
        assert {later.wait(f"left-{i}").state for i in range(3)} == {JobState.CANCELLED}
        assert later.counts("left") == {JobState.CANCELLED: 3}
        assert len(later.list(state=JobState.CANCELLED).jobs) == 3
        assert later.list(state=JobState.FAILED).jobs == ()


def test_an_unknown_job(settings: Settings) -> None:
    with Jobs(None, settings) as jobs:
        assert jobs.get("nobody knows it") is None
        for look in (jobs.wait, jobs.cancel, jobs.delete):
            with pytest.raises(JobNotFound, match="nobody knows it"):
                look("nobody knows it")


def test_a_database_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    below_a_file = load_settings(data_dir=tmp_path / "file" / "data")
    with pytest.raises(OutputNotWritable, match=r"jobs\.sqlite"), Jobs(None, below_a_file):
        pass
    (tmp_path / "jobs.sqlite").write_text("this is no database " * 100)
    with (
        pytest.raises(OutputNotWritable, match=r"jobs\.sqlite") as refused,
        Jobs(None, load_settings(data_dir=tmp_path)),
    ):
        pass
    assert "IMAGEGEN_DATA_DIR" in str(refused.value.hint)


@pytest.mark.parametrize("url", ["nonsense", "mysql://localhost/jobs", "postgresql://127.0.0.1:1/jobs"])
def test_a_database_url_that_cannot_be_used_is_named(tmp_path: Path, url: str) -> None:
    with (
        pytest.raises(SettingsInvalid, match="database_url"),
        Jobs(None, load_settings(data_dir=tmp_path, database_url=url)),
    ):
        pass


def test_no_thread_is_left_behind(studio: Studio, settings: Settings) -> None:
    before = set(threading.enumerate())
    with Jobs(studio, settings, shared=True):
        pass
    assert [thread.name for thread in set(threading.enumerate()) - before if thread.is_alive()] == []
