"""A batch of the server as its folder keeps it: what was asked, and what came of it.

data_dir/batches/<id>/ holds the file that was handed in, `batch.json` and the folder `out`. How each picture
stands is the jobs' business; here stands only what no job knows.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from imagegen.batch.plan import BatchOptions
from imagegen.errors import ImagegenError
from imagegen.store.files import write_atomically

RECORD, UPLOAD, OUT = "batch.json", "catalogue", "out"
ID = re.compile(r"batch_[0-9a-f]{32}")


class BatchState(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self is not BatchState.RUNNING


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """How a batch stands.

    name       of the file as it was handed in
    total      pictures that were planned; `completed` and `failed` count those that have ended
    warned     pictures of texts that were damaged before they came here
    error      code and message of the fault that ended it, if one did
    created, ended
               seconds since 1970
    """

    id: str
    owner: str
    name: str
    dialect: str
    template: str
    options: BatchOptions
    total: int
    state: BatchState = BatchState.RUNNING
    completed: int = 0
    failed: int = 0
    warned: int = 0
    shop: bool = False
    error: dict[str, str | None] | None = None
    created: float = field(default_factory=time.time)
    ended: float | None = None

    def failed_with(self, error: ImagegenError) -> BatchRecord:
        said: dict[str, str | None] = {"code": error.code, "message": error.message}
        return replace(self, state=BatchState.FAILED, error=said, ended=time.time())


def write_record(folder: Path, record: BatchRecord) -> None:
    """Raises OutputNotWritable."""
    write_atomically(folder / RECORD, json.dumps(asdict(record), indent=1).encode())


def read_record(folder: Path) -> BatchRecord | None:
    """None when the folder holds no batch."""
    try:
        fields = json.loads((folder / RECORD).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    options = fields.pop("options")
    options["presets"] = tuple(options["presets"])
    state = BatchState(fields.pop("state"))
    return BatchRecord(**fields, options=BatchOptions(**options), state=state)
