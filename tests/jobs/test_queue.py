"""Jobs for whichever worker is free: order, bounds, progress, ends, and what deleting leaves (nothing)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dbos import DBOS

from imagegen.errors import InvalidRequest, Overloaded
from imagegen.jobs.job import LAST_EVENT, Job, JobState, Priority
from imagegen.jobs.jobs import Jobs
from imagegen.jobs.making import Maker, Place
from imagegen.jobs.retention import Retention
from imagegen.jobs.running import Running
from imagegen.request import ImageRequest
from imagegen.settings import Settings
from imagegen.store.files import ArtifactFiles
from imagegen.studio import Studio

Ask = Callable[..., ImageRequest]

WAIT = 60.0  # seconds, for what happens at once unless something is broken


def test_a_job_from_the_queue_ends_in_the_store(studio: Studio, settings: Settings, ask: Ask) -> None:
    with Jobs(None, settings) as hand_in:
        job = hand_in.submit(ask(), owner="shop", label="SKU-1", batch="b", format="webp")
        assert (job.state, job.step, job.started) == (JobState.QUEUED, 0, None)
        assert hand_in.waiting() == 1
    with Jobs(studio, settings, shared=True) as jobs:
        done = jobs.wait(job.id)
        assert (done.state, done.owner, done.label, done.batch) == (
            JobState.COMPLETED,
            "shop",
            "SKU-1",
            "b",
        )
        assert done.artifact is not None
        assert done.artifact.endswith(".webp")
        assert ArtifactFiles(settings.data_dir).path(done.artifact) is not None
        assert done.details["width"] == 64
        assert jobs.counts("b") == {JobState.COMPLETED: 1}
        assert jobs.counts("another") == {}
        assert jobs.submit(ask("another bag"), id=job.id) == done
        assert jobs.get(job.id, owner="somebody else") is None
    assert (job.seq, done.seq, done.step, done.steps) == (1, LAST_EVENT, 4, 4)


def test_owners_take_turns(settings: Settings, ask: Ask) -> None:
    """DBOS takes what has the lowest priority number first."""
    with Jobs(None, settings) as jobs:
        for owner, count in (("many", 4), ("few", 2)):
            for i in range(count):
                jobs.submit(ask(), id=f"{owner}-{i}", owner=owner, priority=Priority.BATCH)
        for id in ("many-0", "few-0", "many-1"):
            jobs.cancel(id)  # as if they had been served
        for i in range(2):
            jobs.submit(ask(), id=f"late-{i}", owner="late", priority=Priority.BATCH)
        jobs.submit(ask(), id="now", owner="many")
        tag = {job.workflow_id: job.priority for job in DBOS.list_workflows()}
        queue = {job.workflow_id: job.queue_name for job in DBOS.list_workflows(status="ENQUEUED")}
    assert [tag[f"many-{i}"] for i in range(4)] == [1, 2, 3, 4]
    assert [tag[f"few-{i}"] for i in range(2)] == [1, 2]
    assert [tag[f"late-{i}"] for i in range(2)] == [2, 3]
    assert tag["now"] == 1
    assert queue.pop("now") == "interactive"
    assert set(queue.values()) == {"batch"}


def test_a_full_queue_refuses_and_says_when_to_come_back(settings: Settings, ask: Ask) -> None:
    small = settings.model_copy(update={"jobs_size": 3, "jobs_per_key": 2})
    with Jobs(None, small) as jobs:
        jobs.submit(ask(), owner="a")
        jobs.submit(ask(), owner="a", priority=Priority.BATCH)
        with pytest.raises(Overloaded, match="2 jobs of this key") as refused:
            jobs.submit(ask(), owner="a")
        assert refused.value.retry_after >= 1
        jobs.submit(ask(), owner="b")
        with pytest.raises(Overloaded, match="3 jobs are waiting"):
            jobs.submit(ask(), owner="c")
        assert jobs.waiting() == 3


def test_listing_by_owner_state_and_batch_page_by_page(settings: Settings, ask: Ask) -> None:
    with Jobs(None, settings) as jobs:
        ids = [jobs.submit(ask(), owner="ab"[i % 2], batch="x" if i < 3 else None).id for i in range(6)]
        jobs.cancel(ids[0])
        assert [job.id for job in jobs.list().jobs] == list(reversed(ids))
        seen, after = [], None
        while True:
            page = jobs.list(after=after, limit=4)
            seen += [job.id for job in page.jobs]
            if (after := page.next) is None:
                break
        assert seen == list(reversed(ids))
        assert [job.id for job in jobs.list(owner="a").jobs] == [ids[4], ids[2], ids[0]]
        assert [job.id for job in jobs.list(state=JobState.CANCELLED).jobs] == [ids[0]]
        assert [job.id for job in jobs.list(batch="x").jobs] == [ids[2], ids[1], ids[0]]
        assert jobs.counts("x") == {JobState.QUEUED: 2, JobState.CANCELLED: 1}
        for wrong in ("", "x", "-", "12", "1-", "9" * 30 + "-a"):
            with pytest.raises(InvalidRequest, match="after"):
                jobs.list(after=wrong)
        with pytest.raises(InvalidRequest, match="limit"):
            jobs.list(limit=0)


def test_a_deadline_that_passed_is_a_failure_of_its_own(studio: Studio, settings: Settings, ask: Ask) -> None:
    with Jobs(studio, settings, shared=True) as jobs:
        job = jobs.wait(jobs.submit(ask(), deadline=time.time() - 1).id)
        assert job.state is JobState.FAILED
        assert (job.error or {})["code"] == "deadline_exceeded"
        assert jobs.wait(jobs.submit(ask(), deadline=time.time() + 60).id).state is JobState.COMPLETED


def test_the_end_is_told_once_and_the_job_is_on_record_by_then(
    studio: Studio, settings: Settings, ask: Ask
) -> None:
    told: list[Job] = []
    heard = threading.Semaphore(0)

    def on_end(job: Job) -> None:
        told.append(job)
        heard.release()

    with Jobs(studio, settings, shared=True, on_end=on_end) as jobs:
        made = jobs.submit(ask(), webhook="shop", id="made")
        failed = jobs.submit(ImageRequest("bag", model="nobody"), webhook="shop", id="failed")
        jobs.submit(ask(), id="silent")
        long = jobs.submit(ask(steps=100), webhook="shop", id="long")
        jobs.cancel(long.id)
        assert all(heard.acquire(timeout=30) for _ in range(3))
        jobs.wait("silent")
    assert {job.id: job.state for job in told} == {
        made.id: JobState.COMPLETED,
        failed.id: JobState.FAILED,
        long.id: JobState.CANCELLED,
    }
    assert len(told) == 3


def test_what_may_pass_is_tried_again_and_what_may_not_is_not(
    studio: Studio, settings: Settings, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    submit = studio.submit

    def crowded(request: ImageRequest, **options: object) -> object:
        tried.append(request.prompt)
        if request.prompt == "wrong":
            raise InvalidRequest("no such size", field="size")
        if len(tried) == 1:
            raise Overloaded("full", retry_after=1)
        return submit(request, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(studio, "submit", crowded)
    monkeypatch.setattr("imagegen.jobs.making.FIRST_WAIT", 0.01)
    with Jobs(studio, settings, shared=True) as jobs:
        assert jobs.wait(jobs.submit(ask("bag")).id).state is JobState.COMPLETED
        assert tried == ["bag", "bag"]
        job = jobs.wait(jobs.submit(ask("wrong")).id)
        assert job.error == {
            "code": "invalid_request",
            "message": "no such size",
            "param": "size",
            "hint": None,
        }
        assert tried == ["bag", "bag", "wrong"]


def test_deleting_leaves_no_trace_in_any_file(studio: Studio, settings: Settings, ask: Ask) -> None:
    secret = "a prototype that nobody may know of"
    with Jobs(studio, settings, shared=True, on_end=lambda job: None) as jobs:
        done = jobs.wait(jobs.submit(ask(secret), label="hush-hush", webhook="shop").id)
        waiting = jobs.submit(ask(secret + ", from behind", steps=100), label="hush-hush")
        assert secret.encode() in b"".join(f.read_bytes() for f in settings.data_dir.glob("jobs.sqlite*"))
        for job in (done, waiting):
            jobs.delete(job.id)
            assert jobs.get(job.id) is None
        kept = b"".join(file.read_bytes() for file in settings.data_dir.rglob("*") if file.is_file())
    for word in (secret, "hush-hush", done.id, waiting.id):
        assert word.encode() not in kept
    assert list((settings.data_dir / "artifacts").iterdir()) == []


def test_deleting_takes_a_picture_along_that_is_not_on_record_yet(
    studio: Studio, settings: Settings, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled between file and record; the workflow, which would remove it too, has not come to that."""
    stored, told, released = threading.Event(), threading.Event(), threading.Event()
    put, cancel, discard = Maker._put, Running.cancel, Maker.discard

    def put_and_hold(*arguments: Any) -> dict[str, Any]:
        made = put(*arguments)
        stored.set()
        assert told.wait(WAIT)
        return made

    def cancel_and_tell(running: Running, id: str) -> None:  # it is on record by then
        cancel(running, id)
        told.set()

    def discard_late(maker: Maker, id: str, place: Place) -> None:
        released.wait(WAIT)
        discard(maker, id, place)

    monkeypatch.setattr(Maker, "_put", put_and_hold)
    monkeypatch.setattr(Running, "cancel", cancel_and_tell)
    monkeypatch.setattr(Maker, "discard", discard_late)
    folder = settings.data_dir / "artifacts"
    with Jobs(studio, settings, shared=True) as jobs:
        job = jobs.submit(ask())
        assert stored.wait(WAIT)
        assert len(list(folder.iterdir())) == 1
        jobs.delete(job.id)
        left = list(folder.iterdir())
        released.set()
    assert left == []


def test_a_job_that_is_done_twice_leaves_one_picture(
    studio: Studio, settings: Settings, ask: Ask, tmp_path: Path
) -> None:
    with Jobs(studio, settings, shared=True) as jobs:
        first = jobs.wait(jobs.submit(ask(), id="twice").id)
        folder = settings.data_dir / "artifacts"
        before = [file.read_bytes() for file in folder.iterdir()]
        jobs.delete("twice")
        assert list(folder.iterdir()) == []
        second = jobs.wait(jobs.submit(ask(), id="twice").id)
        assert second.artifact == first.artifact
        assert [file.read_bytes() for file in folder.iterdir()] == before


def test_what_is_older_than_the_owner_allows_is_forgotten(
    studio: Studio, settings: Settings, ask: Ask
) -> None:
    with Jobs(studio, settings, shared=True) as jobs:
        made = jobs.wait(jobs.submit(ask("an old secret")).id)
        failed = jobs.wait(jobs.submit(ImageRequest("bag", model="nobody")).id)
        waiting = jobs.submit(ask(steps=100))
        store = ArtifactFiles(settings.data_dir)
        loose = store.put(studio.make(ask()), "png")  # as an answer by URL leaves it
        kept = Retention(jobs._records, jobs._traces, jobs._engine, days=1)
        assert kept.sweep() == 0
        none = Retention(jobs._records, jobs._traces, jobs._engine, days=-1)
        assert none.sweep() == 3
        assert [jobs.get(job.id) for job in (made, failed)] == [None, None]
        assert jobs.get(waiting.id) is not None
        assert made.artifact is not None
        assert store.read(made.artifact) is store.read(loose) is None
        jobs.delete(waiting.id)
