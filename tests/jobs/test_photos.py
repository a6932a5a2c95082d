"""Jobs that start from photos: what outlives the one who handed them in, and what deleting leaves."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from imagegen.jobs.job import JobState
from imagegen.jobs.jobs import Jobs
from imagegen.jobs.retention import Retention
from imagegen.photo import Photo
from imagegen.request import ImageRequest
from imagegen.settings import Settings
from imagegen.store.files import ArtifactFiles
from imagegen.studio import Studio

Ask = Callable[..., ImageRequest]


def photo(seed: int) -> Photo:
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return Photo.of(stream.getvalue())


def kept(settings: Settings) -> list[Path]:
    return list((settings.data_dir / "photos").glob("*"))


def test_a_job_and_its_photos_survive_the_one_who_handed_it_in(
    studio: Studio, settings: Settings, ask: Ask
) -> None:
    request = ask(image=photo(1), strength=0.5, references=(photo(2), photo(3)))
    expected = studio.make(request).picture
    with Jobs(None, settings) as hand_in:
        job = hand_in.submit(request, id="edit")
        assert job.request == request
        assert all(found.data is None for found in job.request.photos)
    assert len(kept(settings)) == 3
    database = (settings.data_dir / "jobs.sqlite").read_bytes()
    assert b"PNG" not in database
    with Jobs(studio, settings, shared=True) as jobs:
        done = jobs.wait("edit")
        assert done.state is JobState.COMPLETED
        made = ArtifactFiles(settings.data_dir).read(done.artifact or "")
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(made or b""))), np.asarray(expected))
        assert done.details["provenance"]["digital_source_type"] == "compositeWithTrainedAlgorithmicMedia"
        jobs.delete("edit")
    assert kept(settings) == []


def test_a_job_whose_photo_is_gone_fails_and_says_so(studio: Studio, settings: Settings, ask: Ask) -> None:
    with Jobs(None, settings) as hand_in:
        hand_in.submit(ask(image=photo(1)), id="lost")
    for file in kept(settings):
        file.unlink()
    with Jobs(studio, settings, shared=True) as jobs:
        job = jobs.wait("lost")
    assert (job.state, (job.error or {})["param"]) == (JobState.FAILED, "image")
    assert "not there any more" in str((job.error or {})["message"])


def test_what_is_old_goes_with_its_photos(studio: Studio, settings: Settings, ask: Ask) -> None:
    with Jobs(studio, settings, shared=True) as jobs:
        jobs.submit(ask(image=photo(1)), id="old")
        jobs.wait("old")
        assert len(kept(settings)) == 1
        parts = (jobs._records, jobs._traces, jobs._engine)
        Retention(*parts, days=1).sweep()
        assert len(kept(settings)) == 1
        jobs._photos.put("ab" * 32, b"of a job that never came on record")
        Retention(*parts, days=-1).sweep()
        assert jobs.get("old") is None
    assert kept(settings) == []


def test_a_job_that_waits_for_longer_than_things_are_kept_keeps_its_photos(
    studio: Studio, settings: Settings, ask: Ask
) -> None:
    with Jobs(None, settings) as hand_in:
        hand_in.submit(ask(image=photo(1), references=(photo(2),)), id="patient")
        hand_in._photos.put("ab" * 32, b"of a job that never came on record")
        parts = (hand_in._records, hand_in._traces, hand_in._engine)
        Retention(*parts, days=-1).sweep()
        assert len(kept(settings)) == 2
    with Jobs(studio, settings, shared=True) as jobs:
        assert jobs.wait("patient").state is JobState.COMPLETED
        Retention(jobs._records, jobs._traces, jobs._engine, days=-1).sweep()
    assert kept(settings) == []


def test_a_full_queue_keeps_no_photo(settings: Settings, ask: Ask) -> None:
    import pytest

    from imagegen.errors import Overloaded

    with Jobs(None, settings.model_copy(update={"jobs_size": 1})) as jobs:
        jobs.submit(ask())
        with pytest.raises(Overloaded):
            jobs.submit(ask(image=photo(1)))
    assert kept(settings) == []
