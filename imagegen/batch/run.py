"""The batch: pictures go through the jobs a few at a time, and what becomes of each is written down at once.

A faulty row is a line in the manifest, never the end of the batch. A fault of the machine (no such model, a
broken checkpoint, a full disk) ends it, because every row would meet it. Started again with the same
catalogue and folder, a batch makes only the pictures that are not there yet.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from imagegen.batch.counts import Counts
from imagegen.batch.folder import output_folder
from imagegen.batch.gallery import Gallery
from imagegen.batch.making import MACHINE_FAULTS, SOURCES, PictureMaker, Underway
from imagegen.batch.manifest import Manifest
from imagegen.batch.outcome import Outcome
from imagegen.batch.plan import BatchOptions, Plan
from imagegen.batch.shop_csv import write_shop_csv
from imagegen.errors import InputFileInvalid, InvalidRequest, Overloaded
from imagegen.weights.catalog import find_model

if TYPE_CHECKING:
    from imagegen.studio import Studio

__all__ = ["MACHINE_FAULTS", "BatchReport", "run_batch"]

MANIFEST, JSONL, GALLERY, SHOP = "manifest.csv", "manifest.jsonl", "gallery.html", "shop.csv"
MOST_WAIT = 5.0  # seconds until a full queue is tried again: others' jobs may end sooner than was thought


@dataclass(slots=True, kw_only=True)
class BatchReport(Counts):
    """How many pictures came to what, in how many seconds of wall time, and where that is written.

    `shop` is None when the catalogue has no column for pictures.
    """

    manifest: Path
    gallery: Path
    shop: Path | None
    total: int
    seconds: float = 0.0


def run_batch(
    csv: Path,
    out: Path,
    studio: Studio,
    options: BatchOptions | None = None,
    *,
    stop: Event | None = None,
    on_start: Callable[[int], None] = lambda total: None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> BatchReport:
    """Makes the pictures of a catalogue into `out`, with manifest.csv, manifest.jsonl, gallery.html and,
    where the shop's file has a column for pictures, shop.csv beside them.

    Once another thread sets `stop` no further picture is started, the running ones are cancelled and
    Cancelled is raised; closing the studio then spares the wait for them. `on_start` hears how many pictures
    there are, `on_outcome` what became of each, in the order of the file.

    Raises InputFileInvalid, InvalidRequest (options), SettingsInvalid (jobs database), Cancelled and
    MACHINE_FAULTS; failed pictures are in the report.
    """
    settings = studio.settings
    options = options if options is not None else BatchOptions()
    started = time.monotonic()
    own = (MANIFEST, JSONL, GALLERY, SHOP)
    if csv.resolve() in ((out / name).resolve() for name in own):
        raise InvalidRequest("would be overwritten by the batch's own file", field=str(csv))
    plan = Plan(csv, options, settings.model)
    total = plan.count()
    if total == 0:
        raise InputFileInvalid("there are no products below the header", field=str(csv))
    card = find_model(settings.model, settings.models_dir)

    from imagegen.jobs.jobs import Jobs  # DBOS: only now that there is work for it

    stop = stop or Event()
    with output_folder(out), Jobs(studio) as jobs:
        on_start(total)
        maker = PictureMaker(jobs, studio, card, out, stop)
        ahead = min(2 * settings.max_batch, settings.queue_size)
        report = carry_out(plan, maker, out, total, ahead, stop, on_outcome, title=csv.name)
    report.seconds = time.monotonic() - started
    return report


def carry_out(
    plan: Plan,
    maker: PictureMaker,
    out: Path,
    total: int,
    ahead: int,
    stop: Event,
    on_outcome: Callable[[Outcome], None],
    *,
    title: str,
) -> BatchReport:
    """The pictures of a plan, `ahead` of them at a time, and all that is written of them into `out`."""
    report = BatchReport(manifest=out / MANIFEST, gallery=out / GALLERY, shop=out / SHOP, total=total)
    with Manifest(out / MANIFEST, out / JSONL) as manifest, Gallery(title) as gallery:
        try:
            for outcome in _outcomes(plan, maker, ahead, stop):
                manifest.add(outcome)
                gallery.add(outcome)
                report.add(outcome)
                on_outcome(outcome)
        finally:
            gallery.write(out / GALLERY)
    filled = write_shop_csv(
        plan.catalogue, out / JSONL, out / SHOP, preset=plan.shop_preset, prefix=plan.options.image_url
    )
    report.shop = None if filled is None else out / SHOP
    for folder in sorted((out / SOURCES).glob("**/"), reverse=True):
        folder.rmdir()  # emptied by the pictures' finishing
    return report


def _outcomes(plan: Plan, maker: PictureMaker, ahead: int, stop: Event) -> Iterator[Outcome]:
    underway: deque[Underway] = deque()
    for picture in plan.pictures():
        while True:
            try:
                underway.append(maker.start(picture))
                break
            except Overloaded as error:
                if underway:
                    yield maker.finish(underway.popleft())
                else:
                    stop.wait(min(error.retry_after, MOST_WAIT))
        if len(underway) >= ahead:
            yield maker.finish(underway.popleft())
    while underway:
        yield maker.finish(underway.popleft())
