"""Downloads from a hub on loopback that speaks as much of the hub's API as a download needs."""

from __future__ import annotations

import hashlib
import json
import resource
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from imagegen.errors import CheckpointInvalid, InvalidRequest, ModelNotFound, OutputNotWritable
from imagegen.weights.hub_file import fetch
from imagegen.weights.importers.importing import Options, import_model
from imagegen.weights.pull import downloaded, forget

COMMIT = "5" * 40
CONFIG = "vae/config.json"
VAE = "vae/diffusion_pytorch_model.safetensors"
TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"


@dataclass
class Hub:
    """Serves one folder as OWNER/NAME; keeps what was asked."""

    folder: Path
    url: str = ""
    asked: list[str] = field(default_factory=list)
    ranges: dict[str, str] = field(default_factory=dict)
    """what part of a file was asked for, by its name"""
    elsewhere: bool = False
    """whether it sends who wants a large file to another host, as the real one does"""
    tokens: dict[str, str | None] = field(default_factory=dict)
    """the last Authorization header by the host that it was sent to"""
    wrong: set[str] = field(default_factory=set)
    """files whose content is not what the hub's hashes say"""
    more: list[str] = field(default_factory=list)
    """names that the listing has besides"""

    def info(self) -> dict[str, Any]:
        siblings: list[dict[str, Any]] = [{"rfilename": name, "size": 1, "blobId": "0"} for name in self.more]
        for path in sorted(self.folder.rglob("*")):
            if path.is_file():
                content = path.read_bytes()
                git = hashlib.sha1(b"blob %d\0%b" % (len(content), content)).hexdigest()
                entry: dict[str, Any] = {
                    "rfilename": path.relative_to(self.folder).as_posix(),
                    "size": len(content),
                    "blobId": git,
                }
                if path.suffix == ".safetensors":
                    digest = hashlib.sha256(content).hexdigest()
                    entry["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 100}
                siblings.append(entry)
        return {"id": "owner/tiny", "modelId": "owner/tiny", "sha": COMMIT, "siblings": siblings}


@pytest.fixture
def hub(tiny_checkpoint: Path) -> Iterator[Hub]:
    hub = Hub(tiny_checkpoint)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            path = self.path.partition("?")[0]
            host, _, port = self.headers["Host"].partition(":")
            hub.asked.append(path)
            hub.tokens[host] = self.headers["Authorization"]
            if hub.elsewhere and host != "localhost" and path.endswith(".safetensors"):
                self.send(302, b"", {"Location": f"http://localhost:{port}{path}"}, body)
                return
            if path.startswith("/api/models/owner/tiny"):
                self.send(200, json.dumps(hub.info()).encode(), {}, body)
                return
            prefix = f"/owner/tiny/resolve/{COMMIT}/"
            file = hub.folder / path.removeprefix(prefix)
            if not path.startswith(prefix) or not file.is_file():
                self.send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)
                return
            content, name = file.read_bytes(), path.removeprefix(prefix)
            if name in hub.wrong:
                content = content[:-1] + b"!"
            if "Range" not in self.headers:
                self.send(200, content, {}, body)
                return
            hub.ranges[name] = self.headers["Range"]
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            part = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send(206, content[start:], {"Content-Range": part}, body)

        def send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield hub
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_checkpoint_is_downloaded_checked_and_imported(hub: Hub, tmp_path: Path) -> None:
    download = downloaded("owner/tiny", "main", tmp_path, endpoint=hub.url)
    assert download.commit == COMMIT
    assert all(f"/resolve/{COMMIT}/" in path for path in hub.asked if "/resolve/" in path), "never a branch"
    options = download.described(Options())
    card = import_model(download.folder, "tiny", tmp_path, options).card
    assert card.source == f"owner/tiny at commit {COMMIT}"
    forget(download)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["tiny"]


def test_what_has_arrived_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    hub.wrong = {VAE}
    with pytest.raises(CheckpointInvalid, match="the hub says"):
        downloaded("owner/tiny", "main", tmp_path, endpoint=hub.url)
    hub.wrong = set()
    hub.asked.clear()
    downloaded("owner/tiny", "main", tmp_path, endpoint=hub.url)
    assert [path for path in hub.asked if "/resolve/" in path] == [f"/owner/tiny/resolve/{COMMIT}/{VAE}"]


def test_a_file_that_was_cut_short_goes_on_where_it_stopped(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What arrived stays when the process ends, and only the rest is asked for."""
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1 << 16)
    seen: list[tuple[int, int]] = []

    calls = iter(range(2))

    def stop(what: str, done: int, total: int) -> None:
        seen.append((done, total))
        if next(calls, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        downloaded("owner/tiny", "main", tmp_path, on_progress=stop, endpoint=hub.url, file=TRANSFORMER)
    (part,) = tmp_path.rglob("*.part")
    had = part.stat().st_size
    assert had >= 1 << 16
    alone = downloaded("owner/tiny", "main", tmp_path, endpoint=hub.url, file=TRANSFORMER)
    assert hub.ranges == {TRANSFORMER: f"bytes={had}-"}
    assert (alone.folder / TRANSFORMER).read_bytes() == (hub.folder / TRANSFORMER).read_bytes()
    assert not list(tmp_path.rglob("*.part"))
    assert seen == sorted(seen)
    assert {total for _, total in seen} == {(hub.folder / TRANSFORMER).stat().st_size}


def test_the_token_stays_with_the_hub(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large files lie on another host: a part goes on there, and who asks is not said."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.elsewhere = True
    content, target = (hub.folder / VAE).read_bytes(), tmp_path / "vae.safetensors"
    target.with_name("vae.safetensors.part").write_bytes(content[:1000])
    fetch("owner/tiny", VAE, COMMIT, target, len(content), lambda arrived: None, hub.url)
    assert target.read_bytes() == content
    assert hub.ranges == {VAE: "bytes=1000-"}
    assert hub.tokens == {"127.0.0.1": "Bearer hf_secret", "localhost": None}


def test_a_part_that_is_another_files_is_not_gone_on_with(hub: Hub, tmp_path: Path) -> None:
    first = downloaded("owner/tiny", "main", tmp_path, endpoint=hub.url, file=CONFIG)
    part = first.folder / f"{CONFIG}.part"
    (first.folder / CONFIG).unlink()
    part.write_bytes(b"x" * 100_000)
    downloaded("owner/tiny", "main", tmp_path, endpoint=hub.url, file=CONFIG)
    (first.folder / CONFIG).unlink()
    part.write_bytes(b"x" * 10)
    with pytest.raises(CheckpointInvalid, match="the hub says"):
        downloaded("owner/tiny", "main", tmp_path, endpoint=hub.url, file=CONFIG)
    downloaded("owner/tiny", "main", tmp_path, endpoint=hub.url, file=CONFIG)


def test_two_downloads_of_one_repository_do_not_meet(hub: Hub, tmp_path: Path) -> None:
    def second(what: str, done: int, total: int) -> None:
        with pytest.raises(InvalidRequest, match="being downloaded already"):
            downloaded("owner/tiny", "main", tmp_path, endpoint=hub.url)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        downloaded("owner/tiny", "main", tmp_path, on_progress=second, endpoint=hub.url)


def test_a_full_disk_is_not_the_hubs_fault(hub: Hub, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OutputNotWritable, match="the disk is full"):
            downloaded("owner/tiny", "main", tmp_path, endpoint=hub.url)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    downloaded("owner/tiny", "main", tmp_path, endpoint=hub.url)


def test_a_second_copy_beside_the_folders_is_left(hub: Hub, tmp_path: Path) -> None:
    hub.more = ["klein-4b.safetensors"]  # the hub would answer 404
    downloaded("owner/tiny", "main", tmp_path, endpoint=hub.url)
    with pytest.raises(ModelNotFound, match=r"has no klein-4b-Q4\.gguf"):
        downloaded("owner/tiny", "main", tmp_path, endpoint=hub.url, file="klein-4b-Q4.gguf")
    alone = downloaded("owner/tiny", "main", tmp_path / "one", endpoint=hub.url, file=CONFIG)
    assert [path.name for path in alone.folder.rglob("*") if path.is_file()] == ["config.json"]
    hub.more = ["preview_decoder.safetensors"]  # no second copy: it is asked for
    with pytest.raises(ModelNotFound, match="does not give owner/tiny"):
        downloaded("owner/tiny", "main", tmp_path / "two", endpoint=hub.url)


def test_a_file_outside_of_the_model_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.more = ["../../evil.json"]
    with pytest.raises(CheckpointInvalid, match="outside of the model"):
        downloaded("owner/tiny", "main", tmp_path, endpoint=hub.url)
    assert not list(tmp_path.rglob("*.json"))


def test_what_the_hub_does_not_have_is_said(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="does not give owner/nothing") as error:
        downloaded("owner/nothing", "main", tmp_path, endpoint=hub.url)
    assert "HF_ENDPOINT" in str(error.value.hint)


def test_a_hub_that_is_not_reached_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ModelNotFound, match="connection to the hub failed") as error:
            downloaded("owner/tiny", "main", tmp_path, endpoint=f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert "run it again" in str(error.value.hint)
