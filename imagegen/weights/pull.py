"""Downloads a checkpoint from the Hugging Face hub: the one thing here that uses the network.

A revision is resolved to a commit first, and every file is taken from that commit and compared with the
hub's own hash of it: sha256 for large files, git's for small ones. What is cut short goes on where it
stopped (hub_file.py). HF_ENDPOINT names another hub, HF_TOKEN opens one that asks for it.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagegen.errors import CheckpointInvalid, InvalidRequest, ModelNotFound
from imagegen.weights.hub_file import fetch
from imagegen.weights.importers.write import writing
from imagegen.weights.manifest import sha256
from imagegen.weights.preview_file import FILE as PREVIEW_DECODER

if TYPE_CHECKING:
    from imagegen.weights.importers.importing import Options

OnProgress = Callable[[str, int, int], None]
WANTED = (".safetensors", ".gguf", ".json", ".jinja", ".txt", ".md", "state_dict.pt", "qmodel.pt", "LICENSE")
"""Pickles but the two packs, pictures and other frameworks' weights stay where they are."""


@dataclass(frozen=True)
class Download:
    """A checkpoint's files on this machine, of one commit."""

    folder: Path
    repo: str
    commit: str

    def described(self, options: Options) -> Options:
        """The options of an import with the source written down."""
        return replace(options, source=f"{self.repo} at commit {self.commit}")


def downloaded(
    repo: str,
    revision: str,
    models_dir: Path,
    on_progress: OnProgress = lambda what, done, total: None,
    endpoint: str | None = None,
    file: str | None = None,
) -> Download:
    """Every file of `repo` that an import may need, or `file` alone, in a hidden folder of `models_dir`.

    Raises ModelNotFound when the hub does not give it, CheckpointInvalid for a file that is not what the hub
    says, InvalidRequest while another process downloads the same, OutputNotWritable.
    """
    from huggingface_hub import HfApi

    with _said(repo, models_dir):
        info = HfApi(endpoint=endpoint).model_info(repo, revision=revision, files_metadata=True)
    commit = str(info.sha)
    files = _wanted(list(info.siblings or ()), file)
    if not files:
        raise ModelNotFound(
            f"{repo} has no {file or 'checkpoint'}", field="repo" if file is None else "--file"
        )
    folder = models_dir / f".download-{repo.replace('/', '--')}-{commit[:12]}"
    for one in files:
        if not (folder / one.rfilename).resolve().is_relative_to(folder.resolve()):
            raise CheckpointInvalid(f"names the file {one.rfilename}, outside of the model", field=repo)
    total, done = sum(one.size or 0 for one in files), 0
    with _alone(folder, repo):
        for one in files:
            path = folder / one.rfilename
            if not path.is_file():

                def tell(arrived: int, name: str = one.rfilename, before: int = done) -> None:
                    on_progress(name, before + arrived, total)

                with _said(repo, path):
                    fetch(repo, one.rfilename, commit, path, one.size, tell, endpoint)
            _check(path, one)
            done += one.size or 0
            on_progress(one.rfilename, done, total)
    return Download(folder, repo, commit)


def forget(download: Download) -> None:
    """Delete the downloaded files."""
    shutil.rmtree(download.folder, ignore_errors=True)
    _lock_of(download.folder).unlink(missing_ok=True)


@contextmanager
def _alone(folder: Path, repo: str) -> Iterator[None]:
    """Nobody else writes to `folder` meanwhile."""
    from filelock import FileLock, Timeout

    lock = FileLock(_lock_of(folder), timeout=0)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout as error:
            raise InvalidRequest(
                f"{repo} is being downloaded already", field="repo", hint="wait for it"
            ) from error
    try:
        yield
    finally:
        lock.release()


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _wanted(listed: list[Any], name: str | None) -> list[Any]:
    """A folder in diffusers layout may have the transformer a second time beside it, in BFL's names."""
    if name is not None:
        return [file for file in listed if file.rfilename == name]
    folder = any(file.rfilename == "model_index.json" for file in listed)
    return [
        file
        for file in listed
        if file.rfilename.endswith(WANTED)
        and not (
            folder
            and "/" not in file.rfilename
            and file.rfilename.endswith((".safetensors", ".gguf"))
            and file.rfilename != PREVIEW_DECODER
        )
    ]


def _check(path: Path, file: Any) -> None:
    if file.lfs is not None:
        found, expected = sha256(path), file.lfs.sha256
    else:
        content = path.read_bytes()
        found = hashlib.sha1(b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()
        expected = file.blob_id
    if found != expected:
        path.unlink()
        raise CheckpointInvalid(
            f"has the hash {found}, the hub says {expected}", field=str(path), hint="run it again"
        )


@contextmanager
def _said(repo: str, path: Path) -> Iterator[None]:
    """What the hub or the way to it refuses, as ModelNotFound; what the disk does, as OutputNotWritable."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    from huggingface_hub.errors import HTTPError as NoAnswer  # type: ignore[attr-defined]

    try:
        yield
    except (HfHubHTTPError, HFValidationError) as error:
        raise ModelNotFound(
            f"the hub does not give {repo}: {_first_line(error)}",
            field="repo",
            hint="OWNER/NAME; HF_TOKEN for one that asks who you are; HF_ENDPOINT for another hub",
        ) from error
    except (NoAnswer, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            with writing(path):
                raise
        raise ModelNotFound(
            f"the connection to the hub failed: {_first_line(error)}",
            field="repo",
            hint="run it again: it goes on where it stopped; HF_ENDPOINT names another hub",
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
