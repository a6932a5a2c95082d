"""Downloads from a hub on loopback that speaks as much of the hub's API as a download needs."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from imagegen.errors import CheckpointInvalid, ModelNotFound
from imagegen.weights.importers.importing import Options, import_model
from imagegen.weights.pull import downloaded, forget

COMMIT = "5" * 40


@dataclass
class Hub:
    """Serves one folder as OWNER/NAME; keeps what was asked."""

    folder: Path
    url: str = ""
    asked: list[str] = field(default_factory=list)
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
def hub(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    hub = Hub(tiny_checkpoint)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            path = self.path.partition("?")[0]
            hub.asked.append(path)
            if path.startswith("/api/models/owner/tiny"):
                self.send(200, json.dumps(hub.info()).encode(), {}, body)
                return
            prefix = f"/owner/tiny/resolve/{COMMIT}/"
            file = hub.folder / path.removeprefix(prefix)
            if not path.startswith(prefix) or not file.is_file():
                self.send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)
                return
            content = file.read_bytes()
            if path.removeprefix(prefix) in hub.wrong:
                content = content[:-1] + b"!"
            etag = hashlib.sha256(file.read_bytes()).hexdigest()
            self.send(200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}, body)

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
    hub.wrong = {"vae/diffusion_pytorch_model.safetensors"}
    with pytest.raises(CheckpointInvalid, match="the hub says"):
        downloaded("owner/tiny", "main", tmp_path, endpoint=hub.url)
    hub.wrong, first = set(), list(hub.asked)
    hub.asked.clear()
    downloaded("owner/tiny", "main", tmp_path, endpoint=hub.url)
    transformer = f"/owner/tiny/resolve/{COMMIT}/transformer/diffusion_pytorch_model.safetensors"
    assert first.count(transformer) > hub.asked.count(transformer)


def test_a_second_copy_beside_the_folders_is_left(hub: Hub, tmp_path: Path) -> None:
    hub.more = ["klein-4b.safetensors"]  # the hub would answer 404
    downloaded("owner/tiny", "main", tmp_path, endpoint=hub.url)
    with pytest.raises(ModelNotFound, match=r"has no klein-4b-Q4\.gguf"):
        downloaded("owner/tiny", "main", tmp_path, endpoint=hub.url, file="klein-4b-Q4.gguf")
    alone = downloaded("owner/tiny", "main", tmp_path / "one", endpoint=hub.url, file="vae/config.json")
    assert [path.name for path in alone.folder.rglob("*.json")] == ["config.json"]


def test_a_file_outside_of_the_model_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.more = ["../../evil.json"]
    with pytest.raises(CheckpointInvalid, match="outside of the model"):
        downloaded("owner/tiny", "main", tmp_path, endpoint=hub.url)
    assert not list(tmp_path.rglob("*.json"))


def test_what_the_hub_does_not_have_is_said(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="does not give owner/nothing") as error:
        downloaded("owner/nothing", "main", tmp_path, endpoint=hub.url)
    assert "HF_ENDPOINT" in str(error.value.hint)
