"""The batch: rows go through the jobs a few at a time, and what becomes of each is written down at once.

A faulty row is a line in the manifest, never the end of the batch. A fault of the machine (no such model, a
broken checkpoint, a full disk) ends it, because every row would meet it. Started again with the same CSV and
folder, a batch makes only the pictures that are not there yet.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from imagegen import __version__
from imagegen.batch.file_names import FileNames
from imagegen.batch.folder import output_folder
from imagegen.batch.gallery import Gallery
from imagegen.batch.manifest import Manifest
from imagegen.batch.outcome import COMPLETED, FAILED, Outcome
from imagegen.batch.product import Product
from imagegen.batch.product_table import read_products
from imagegen.errors import (
    Cancelled,
    CheckpointInvalid,
    ImagegenError,
    InputFileInvalid,
    InvalidRequest,
    MissingDependency,
    ModelNotFound,
    OutputNotWritable,
)
from imagegen.jobs.job import Job, JobState, Priority, to_record
from imagegen.weights.catalog import ModelCard, find_model
from imagegen_postprocess import Recipe, load_preset

if TYPE_CHECKING:
    from imagegen.jobs.jobs import Jobs
    from imagegen.request import ImageRequest
    from imagegen.studio import Studio

MANIFEST, GALLERY = "manifest.csv", "gallery.html"
MACHINE_FAULTS = (ModelNotFound, CheckpointInvalid, OutputNotWritable, MissingDependency)


@dataclass(slots=True)
class BatchReport:
    """How many rows came to what, in how many seconds of wall time, and where that is written."""

    manifest: Path
    gallery: Path
    total: int
    completed: int = 0
    failed: int = 0
    seconds: float = 0.0


def run_batch(
    csv: Path,
    out: Path,
    studio: Studio,
    *,
    limit: int | None = None,
    recipe: Recipe | None = None,
    stop: Event | None = None,
    on_start: Callable[[int], None] = lambda total: None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> BatchReport:
    """Makes a picture for each row of `csv` into `out`, with manifest.csv and gallery.html beside them.

    `limit` takes only the first rows; `recipe` finishes the pictures, and names their files where it has a
    preset. Once another thread sets `stop` no further row is started, the running
    ones are cancelled and Cancelled is raised; closing the studio then spares the wait for them. `on_start`
    hears how many rows there are, `on_outcome` what became of each, in the order of the file.

    Raises InputFileInvalid, InvalidRequest (limit), SettingsInvalid (jobs database), Cancelled and
    MACHINE_FAULTS; failed rows are in the report.
    """
    started = time.monotonic()
    if limit is not None and limit < 1:
        raise InvalidRequest("must be at least 1", field="limit")
    if csv.resolve() in ((out / name).resolve() for name in (MANIFEST, GALLERY)):
        raise InvalidRequest("would be overwritten by the batch's own file", field=str(csv))
    table = read_products(csv)
    total = min(table.count(), limit or 2**63)
    if total == 0:
        raise InputFileInvalid("there are no products below the header", field=str(csv))
    card = find_model(studio.settings.model, studio.settings.models_dir)

    from imagegen.jobs.jobs import Jobs  # DBOS: only now that there is work for it

    report = BatchReport(out / MANIFEST, out / GALLERY, total)
    with (
        output_folder(out),
        Jobs(studio) as jobs,
        Manifest(report.manifest) as manifest,
        Gallery(csv.name) as gallery,
    ):
        on_start(total)
        rows = _Rows(jobs, studio, card, out, recipe if recipe is not None else Recipe(), stop or Event())
        try:
            for outcome in rows.run(islice(table.products(), limit)):
                manifest.add(outcome)
                gallery.add(outcome)
                if outcome.status == COMPLETED:
                    report.completed += 1
                else:
                    report.failed += 1
                on_outcome(outcome)
        finally:
            gallery.write(report.gallery)
    report.seconds = time.monotonic() - started
    return report


@dataclass(frozen=True, slots=True)
class _Underway:
    """A row on its way: `job` is None when there is nothing to wait for."""

    outcome: Outcome
    job: str | None = None


class _Rows:
    """Takes products through the jobs, two engine batches ahead of the one that is waited for."""

    def __init__(
        self, jobs: Jobs, studio: Studio, card: ModelCard, out: Path, recipe: Recipe, stop: Event
    ) -> None:
        self._stop = stop
        self._recipe = recipe
        self._preset = None if recipe.preset is None else load_preset(recipe.preset)
        self._jobs = jobs
        self._model = studio.settings.model
        self._card = card
        self._out = out
        self._ahead = min(2 * studio.settings.max_batch, studio.settings.queue_size)
        self._names = FileNames()
        self._row_of: dict[str, int] = {}  # with the names all that is kept of a row: about 200 bytes

    def run(self, products: Iterator[Product]) -> Iterator[Outcome]:
        underway: deque[_Underway] = deque()
        for product in products:
            underway.append(self._start(product))
            if len(underway) == self._ahead:
                yield self._finish(underway.popleft())
        while underway:
            yield self._finish(underway.popleft())

    def _start(self, product: Product) -> _Underway:
        self._check_stop()
        outcome = Outcome(product.row, product.id, product.description, product.text, None, FAILED)
        try:
            request = product.request(self._model, self._recipe)
            if (row := self._row_of.setdefault(product.id, product.row)) != product.row:
                raise InvalidRequest(f"{product.id!r} is already row {row}", field="id")
        except InvalidRequest as error:
            return _Underway(replace(outcome, error=str(error)))
        stem, suffix = product.id, ".png"
        if self._preset is not None:
            stem, suffix = self._preset.file_name(
                product.id, self._preset.format_for(self._recipe.background)
            )
        file = self._names.take(stem, suffix)
        job = self._job_id(request, file)
        self._jobs.submit(request, id=job, destination=self._out / file, priority=Priority.BATCH, again=True)
        return _Underway(replace(outcome, seed=request.seed, file=file), job)

    def _finish(self, row: _Underway) -> Outcome:
        if row.job is None:
            return row.outcome
        self._check_stop()
        job = self._jobs.wait(row.job)
        if job.state is not JobState.COMPLETED:
            self._check_stop()  # then it was not the row that failed
            fault = _error(job)
            if isinstance(fault, MACHINE_FAULTS):
                raise fault
            return replace(row.outcome, file=None, error=str(fault))
        return replace(row.outcome, status=COMPLETED, seconds=job.seconds)

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise Cancelled("stopped", hint="the same batch goes on where this one stopped")

    def _job_id(self, request: ImageRequest, file: str) -> str:
        """The same for the same picture in the same place, so that a finished one is known again."""
        place = str(self._out.resolve() / file)
        parts = json.dumps([place, to_record(request), self._card.revision, __version__], sort_keys=True)
        return "batch-" + hashlib.sha256(parts.encode()).hexdigest()[:32]


def _error(job: Job) -> ImagegenError:
    """What the record of a job that was not completed says, as the error it was."""
    said = job.error or {"code": Cancelled.code, "message": "the job was cancelled"}
    kinds = {kind.code: kind for kind in (*MACHINE_FAULTS, InvalidRequest, Cancelled)}
    kind = kinds.get(said["code"] or "", ImagegenError)
    return kind(said["message"] or "", field=said.get("param"), hint=said.get("hint"))
