"""Photos of jobs, in files and in objects."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagegen.photo import Photo
from imagegen.request import ImageRequest
from imagegen.store.files import ArtifactFiles
from imagegen.store.objects import ArtifactObjects, PhotoObjects
from imagegen.store.photos import PhotoFiles, PhotoStore, fetch, forget, keep

ONE, TWO = Photo.of(b"one", "image"), Photo.of(b"two", "references[0]")
REQUEST = ImageRequest("bag", image=ONE, references=(TWO, ONE))
RECORD = ImageRequest.from_dict(REQUEST.to_dict())


@pytest.fixture(params=["files", "objects"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PhotoStore]:
    if request.param == "files":
        yield PhotoFiles(tmp_path)
    else:
        # obstore's own store in memory: the same calls as S3's, without a server.
        yield PhotoObjects(pytest.importorskip("obstore.store").MemoryStore())


def names(store: PhotoStore) -> set[str]:
    return set(store.older_than(time.time() + 60))


def test_photos_come_back_and_each_is_kept_once(store: PhotoStore) -> None:
    for _ in range(2):
        keep(store, "job-1", REQUEST)
    assert len(names(store)) == 2
    found = fetch(store, "job-1", RECORD)
    assert found.image is not None
    assert [photo.data for photo in (found.image, *found.references)] == [b"one", b"two", b"one"]


def test_a_job_takes_its_photos_along_and_nobody_elses(store: PhotoStore) -> None:
    keep(store, "job-1", REQUEST)
    keep(store, "job-2", REQUEST)
    for _ in range(2):
        forget(store, "job-1", RECORD)
    assert all(photo.data is None for photo in fetch(store, "job-1", RECORD).photos)
    assert all(photo.data is not None for photo in fetch(store, "job-2", RECORD).photos)
    forget(store, "job-2", RECORD)
    assert names(store) == set()


def test_a_photo_that_was_changed_is_not_taken_for_it(store: PhotoStore) -> None:
    keep(store, "job-1", REQUEST)
    for name in names(store):
        store.put(name, b"another")
    assert all(photo.data is None for photo in fetch(store, "job-1", RECORD).photos)


def test_what_is_old_is_found(store: PhotoStore) -> None:
    keep(store, "job-1", REQUEST)
    assert list(store.older_than(time.time() - 60)) == []


def test_no_artifact_address_leads_to_a_photo(tmp_path: Path) -> None:
    files = PhotoFiles(tmp_path)
    keep(files, "job-1", REQUEST)
    bucket = pytest.importorskip("obstore.store").MemoryStore()
    keep(PhotoObjects(bucket), "job-1", REQUEST)
    for name in names(files):
        for id in (name, f"photos/{name}", f"../photos/{name}"):
            assert ArtifactFiles(tmp_path).read(id) is None
            assert ArtifactObjects(bucket).read(id) is None
    assert list(ArtifactObjects(bucket).older_than(time.time() + 60)) == []
