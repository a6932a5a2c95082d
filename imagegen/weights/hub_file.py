"""One file of the Hugging Face hub, fetched so that the next call goes on where this one was cut short.

huggingface_hub asks again when a connection breaks, but throws away what it has when the process ends: its
temporary files bear a new name each time (its pull request 4228). Its `http_get` also continues a file that
is handed to it; so the part is kept here, under one name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

OnBytes = Callable[[int], None]
"""Called with the bytes of the file that are here."""


def fetch(
    repo: str, name: str, commit: str, target: Path, size: int | None, on_bytes: OnBytes, endpoint: str | None
) -> None:
    """Write the file `name` of `repo` at `commit` to `target`; until it is whole there is `target`.part.

    A redirect to another host is followed without the hub's token. Raises huggingface_hub's HTTPError, and
    OSError: without a number where the hub sent another count of bytes than it should.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    part = target.with_name(f"{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    with part.open("ab") as file:
        if size is not None and file.tell() > size:  # another file's
            file.truncate(0)
        http_get(
            hf_hub_url(repo, name, revision=commit, endpoint=endpoint),
            file,
            resume_size=file.seek(0, 2),
            headers=build_hf_headers(),
            expected_size=size,
            tqdm_class=_counter(on_bytes),
        )
    part.replace(target)


def _counter(on_bytes: OnBytes) -> type:
    """What `http_get` takes for a progress bar."""

    class Counter:
        def __init__(self, *_: object, initial: int = 0, **__: object) -> None:
            self._bytes = initial
            on_bytes(initial)

        def __enter__(self) -> Counter:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, count: int) -> None:
            self._bytes += count
            on_bytes(self._bytes)

    return Counter
