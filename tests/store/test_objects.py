"""Pictures in an S3-compatible store: the same behaviour as files have."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from imagegen.artifact import GENERATED, Artifact, Provenance
from imagegen.errors import SettingsInvalid, StoreUnavailable
from imagegen.settings import load_settings
from imagegen.store.artifacts import ArtifactStore, open_artifacts
from imagegen.store.files import ArtifactFiles
from imagegen.store.objects import ArtifactObjects, open_bucket


@pytest.fixture(params=["files", "objects"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArtifactStore]:
    if request.param == "files":
        yield ArtifactFiles(tmp_path)
    else:
        # obstore's own store in memory: the same calls as S3's, without a server.
        memory = pytest.importorskip("obstore.store").MemoryStore()
        yield ArtifactObjects(memory)


@pytest.fixture
def artifact() -> Artifact:
    return Artifact(picture=Image.new("RGB", (8, 8), "red"), provenance=Provenance(GENERATED))


def test_a_picture_is_stored_read_and_deleted(store: ArtifactStore, artifact: Artifact) -> None:
    id = store.put(artifact, "webp")
    assert id == f"{artifact.id}.webp"
    assert store.read(id) == artifact.encode("webp")
    store.delete(id)
    store.delete(id)
    assert store.read(id) is None


def test_an_id_of_ones_own_is_written_again_in_place(store: ArtifactStore, artifact: Artifact) -> None:
    id = f"{'ab' * 16}.png"
    for _ in range(2):
        assert store.put(artifact, "png", id=id) == id
    assert list(store.older_than(time.time() + 60)) == [id]
    assert list(store.older_than(time.time() - 60)) == []


@pytest.mark.parametrize("id", ["../secret.png", "secret", "a" * 32 + ".gif", "", "/etc/passwd"])
def test_only_ids_of_pictures_lead_anywhere(store: ArtifactStore, id: str) -> None:
    assert store.read(id) is None
    assert store.path(id) is None
    store.delete(id)


@pytest.mark.parametrize("url", ["bucket", "s3://", "file:///tmp", "https://bucket"])
def test_what_is_no_bucket_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="artifacts_url"):
        open_artifacts(load_settings(data_dir=tmp_path, artifacts_url=url))


def test_a_store_that_does_not_answer_may_do_so_later(artifact: Artifact) -> None:
    class Away:
        def __getattr__(self, name: str) -> Any:
            raise OSError("connection refused\nand more lines")

    with pytest.raises(StoreUnavailable, match=r"connection refused$") as refused:
        ArtifactObjects(Away()).put(artifact, "png")
    assert refused.value.transient


def test_the_settings_name_bucket_prefix_and_endpoint(tmp_path: Path) -> None:
    settings = load_settings(
        data_dir=tmp_path, artifacts_url="s3://bucket/shop/pictures", artifacts_endpoint="http://127.0.0.1:9"
    )
    assert "bucket" in repr(open_bucket(settings))
    assert "shop/pictures" in repr(open_bucket(settings))


def test_a_real_server(tmp_path: Path, artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """moto's, from an environment of its own: what it needs cannot be installed beside ours."""
    program = shutil.which("moto_server")
    if program is None:
        pytest.skip("no moto_server on the path (pip install 'moto[s3]' flask flask-cors, elsewhere)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "any")
    endpoint = f"http://127.0.0.1:{port}"
    with subprocess.Popen([program, "-p", str(port)], stderr=subprocess.DEVNULL) as server:
        try:
            made = httpx.Client(transport=httpx.HTTPTransport(retries=10)).put(f"{endpoint}/bucket")
            assert made.status_code == 200
            store = open_artifacts(
                load_settings(data_dir=tmp_path, artifacts_url="s3://bucket/a/b", artifacts_endpoint=endpoint)
            )
            id = store.put(artifact, "png")
            assert store.read(id) == artifact.encode("png")
            assert list(store.older_than(time.time() + 60)) == [id]
            store.delete(id)
            assert store.read(id) is None
        finally:
            server.terminate()
