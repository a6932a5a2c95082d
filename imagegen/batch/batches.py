"""Batches of the server: catalogues that were handed in over HTTP, and go on until they are done.

A batch is a folder (record.py). Whatever happens to the server, it is taken up again at the next start: its
pictures' jobs have ids that follow from what they show, so nothing that is finished is made again. Each batch
that runs has a thread, which hands in a few pictures at a time and waits for them; which batch's picture is
made next is decided by the jobs' queues, owner by owner.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from imagegen.batch.counts import Counts, counted
from imagegen.batch.folder import FolderBusy, output_folder
from imagegen.batch.making import PictureMaker, Queued
from imagegen.batch.outcome import Outcome
from imagegen.batch.plan import BatchOptions, Plan
from imagegen.batch.record import ID, OUT, UPLOAD, BatchRecord, BatchState, read_record, write_record
from imagegen.batch.run import JSONL, carry_out
from imagegen.errors import (
    BatchNotFound,
    Cancelled,
    ImagegenError,
    InputFileInvalid,
    JobNotFound,
    OutputNotWritable,
)
from imagegen.weights.catalog import find_model

if TYPE_CHECKING:
    from imagegen.jobs.jobs import Jobs
    from imagegen.settings import Settings
    from imagegen.studio import Studio

AT_ONCE = 16  # batches that have pictures under way; further ones wait for one of them to end
LEAST_AHEAD = 32  # pictures of a batch that wait or are made: enough for a few workers to denoise together
ABANDONED = 3600.0  # seconds after which an upload that is no batch yet never will be
COPY = 1 << 20  # bytes
GONE = ".gone"
"""How the folder of a batch ends while it is being deleted."""

log = logging.getLogger(__name__)


class Batches:
    """Takes catalogues, carries them out and tells how they stand; use it as a context manager."""

    def __init__(self, studio: Studio, settings: Settings, jobs: Jobs) -> None:
        self._studio = studio
        self._settings = settings
        self._jobs = jobs
        self._folder = settings.data_dir / "batches"
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="imagegen-batch")
        self._lock = threading.Lock()
        self._running: dict[str, tuple[threading.Event, Future[None]]] = {}
        self._live: dict[str, BatchRecord] = {}

    def __enter__(self) -> Self:
        """Takes up what an earlier server left unfinished, and sweeps what it had not begun or not deleted
        to its end."""
        for folder in self._folder.glob(".*.new"):
            if time.time() - folder.stat().st_mtime > ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)
        for folder in self._folder.glob(f".*{GONE}"):
            shutil.rmtree(folder, ignore_errors=True)
        for record in self._records():
            if not record.state.final:
                record = self._as_far_as_it_is(record)
                # On record, because the manifest begins anew now and the next crash may come before its end.
                write_record(self._folder / record.id, record)
                self._start(record)
        self._jobs.also_forget(self.forget_before)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops what runs; it goes on after the next start."""
        with self._lock:
            for stop, _ in self._running.values():
                stop.set()
        self._threads.shutdown(cancel_futures=True)

    @contextlib.contextmanager
    def uploaded(self, file: BinaryIO) -> Iterator[Path]:
        """The file that was sent, in a folder of its own that is gone when the block ends, unless `create`
        has taken it. What kind of file it is, is read in it and not in its name."""
        folder = self._folder / f".{secrets.token_hex(8)}.new"
        try:
            try:
                folder.mkdir(parents=True)
                with (folder / UPLOAD).open("wb") as copy:
                    shutil.copyfileobj(file, copy, COPY)
            except OSError as error:
                raise OutputNotWritable(
                    f"cannot keep the file: {error.strerror}", field=str(self._folder)
                ) from error
            yield folder / UPLOAD
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def count(self, upload: Path, options: BatchOptions) -> int:
        """How many pictures an uploaded file asks for.

        Raises InputFileInvalid (no catalogue, no products, more pictures than `batch_pictures`),
        InvalidRequest and ModelNotFound.
        """
        total = Plan(upload, options, self._settings.model).count()
        most = self._settings.batch_pictures
        if total == 0:
            raise InputFileInvalid("there are no products below the header", field=str(upload))
        if total > most:
            raise InputFileInvalid(
                f"these are {total:,} pictures; this server takes {most:,} in a batch",
                field=str(upload),
                hint="send it in parts, or set IMAGEGEN_BATCH_PICTURES",
            )
        find_model(self._settings.model, self._settings.models_dir)
        return total

    def create(self, upload: Path, name: str, options: BatchOptions, owner: str, total: int) -> BatchRecord:
        """Makes a batch of an uploaded file that was counted; it is on disk when this returns."""
        plan = Plan(upload, options, self._settings.model)
        id = f"batch_{secrets.token_hex(16)}"
        record = BatchRecord(id, owner, name, plan.catalogue.dialect.name, plan.template.text, options, total)
        write_record(upload.parent, record)
        upload.parent.rename(self._folder / id)
        self._start(record)
        return record

    def get(self, id: str, owner: str | None = None) -> BatchRecord:
        """How a batch stands; `owner` None sees everybody's. Raises BatchNotFound."""
        with self._lock:
            record = self._live.get(id)
        if record is None and ID.fullmatch(id):
            record = read_record(self._folder / id)
            if record is not None and not record.state.final:
                record = self._as_far_as_it_is(record)
        if record is None or owner not in (None, record.owner):
            raise BatchNotFound(f"there is no batch {id[:64]!r}", field="id")
        return record

    def list(self, owner: str | None = None) -> list[BatchRecord]:
        """The newest first."""
        records = [self.get(record.id) for record in self._records() if owner in (None, record.owner)]
        return sorted(records, key=lambda record: record.created, reverse=True)

    def out(self, id: str) -> Path:
        """Where pictures and manifest of a batch are."""
        return self._folder / id / OUT

    def cancel(self, id: str) -> BatchRecord:
        """Ends a batch and the jobs that it has handed in; what is made stays. Raises BatchNotFound."""
        record = self.get(id)
        if record.state.final:
            return record
        self._stop(id)
        record = replace(self.get(id), state=BatchState.CANCELLED, ended=time.time())
        write_record(self._folder / id, record)
        for job in self._jobs_of(id):
            with contextlib.suppress(JobNotFound):
                self._jobs.cancel(job)
        return record

    def delete(self, id: str) -> None:
        """Removes a batch and every trace of it: the file, prompts, pictures, jobs. Raises BatchNotFound."""
        self.cancel(id)
        self._jobs.delete_batch(id)
        gone = self._folder / f".{id}{GONE}"
        with contextlib.suppress(FileNotFoundError):  # somebody else deletes it too
            (self._folder / id).rename(gone)  # in one move: half a batch would be found by nobody
        shutil.rmtree(gone, ignore_errors=True)

    def forget_before(self, moment: float) -> int:
        """Deletes batches that ended before `moment` (seconds since 1970); how many."""
        old = [record.id for record in self._records() if (record.ended or moment) < moment]
        for id in old:
            with contextlib.suppress(BatchNotFound):
                self.delete(id)
        return len(old)

    def _records(self) -> Iterator[BatchRecord]:
        for folder in self._folder.glob("batch_*"):
            if (record := read_record(folder)) is not None:
                yield record

    def _as_far_as_it_is(self, record: BatchRecord) -> BatchRecord:
        """A batch that does not run here, with what its manifest counts: its record is written at the end."""
        found = counted(self.out(record.id) / JSONL)
        if found.ended <= record.completed + record.failed:
            return record
        return replace(record, completed=found.completed, failed=found.failed)

    def _jobs_of(self, id: str) -> Iterator[str]:
        after = None
        while True:
            page = self._jobs.list(batch=id, after=after, limit=200)
            yield from [job.id for job in page.jobs]
            if page.next is None:
                return
            after = page.next

    def _start(self, record: BatchRecord) -> None:
        stop = threading.Event()
        with self._lock:
            self._live[record.id] = record
            self._running[record.id] = (stop, self._threads.submit(self._run, record, stop))

    def _stop(self, id: str) -> None:
        with self._lock:
            stop, running = self._running.get(id, (None, None))
        if stop is not None and running is not None and not running.cancel():
            stop.set()
            running.exception()  # waits; whatever it was is on record
        self._forget(id)

    def _forget(self, id: str) -> None:
        with self._lock:
            self._running.pop(id, None)
            self._live.pop(id, None)

    def _run(self, record: BatchRecord, stop: threading.Event) -> None:
        """In a thread of its own: the batch from its beginning, or from where it stopped, to its end."""
        folder = self._folder / record.id
        try:
            ended = self._carried_out(record, folder, stop)
        except FolderBusy:
            return self._forget(record.id)  # another server's, which took it up first
        except Cancelled:
            return None  # somebody stops it, or the server: whoever it is says what becomes of it
        except ImagegenError as error:
            log.warning("batch %s ended: %s", record.id, error.code)
            ended = self.get(record.id).failed_with(error)
        # The last resort: a batch that nobody ends would look as if it ran for ever.
        except Exception:
            log.exception("batch %s failed", record.id)
            ended = self.get(record.id).failed_with(ImagegenError("it failed in a way nobody foresaw"))
        write_record(folder, ended)
        return self._forget(record.id)

    def _carried_out(self, record: BatchRecord, folder: Path, stop: threading.Event) -> BatchRecord:
        counts = Counts()

        def on_outcome(outcome: Outcome) -> None:
            counts.add(outcome)
            # What an earlier server had done is found again from the beginning; until then its numbers hold.
            if counts.ended >= record.completed + record.failed:
                with self._lock:
                    self._live[record.id] = replace(
                        self._live[record.id],
                        completed=counts.completed,
                        failed=counts.failed,
                        warned=counts.warned,
                    )

        settings, out = self._settings, folder / OUT
        plan = Plan(folder / UPLOAD, record.options, settings.model)
        card = find_model(settings.model, settings.models_dir)
        queued = Queued(record.id, record.owner)
        ahead = max(LEAST_AHEAD, 4 * settings.max_batch)
        with output_folder(out):
            maker = PictureMaker(self._jobs, self._studio, card, out, stop, queued)
            report = carry_out(plan, maker, out, record.total, ahead, stop, on_outcome, title=record.name)
        return replace(
            record,
            state=BatchState.COMPLETED,
            completed=report.completed,
            failed=report.failed,
            warned=report.warned,
            shop=report.shop is not None,
            ended=time.time(),
        )
