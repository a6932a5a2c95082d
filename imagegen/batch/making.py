"""From a planned picture to its files: one job that generates it, and its finishing for every preset.

For one preset, or none, the job finishes the picture itself. For several it makes the model's own picture
once, and that is finished for each of them here.

Where the job is carried out is one of two places. `imagegen batch` carries its jobs out itself, straight into
the output folder. A batch of the server puts them into the durable queue, for whichever worker is free; the
picture comes through the artifact store.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from threading import Event
from typing import TYPE_CHECKING

from imagegen import __version__
from imagegen.artifact import format_of
from imagegen.batch.outcome import COMPLETED, FAILED, MadeFile, Outcome
from imagegen.batch.plan import PlannedPicture
from imagegen.errors import (
    Cancelled,
    CheckpointInvalid,
    GenerationFailed,
    ImagegenError,
    InvalidRequest,
    MissingDependency,
    ModelNotFound,
    OutputNotWritable,
)
from imagegen.jobs.job import Job, JobState, Priority
from imagegen.store.artifacts import open_artifacts
from imagegen.store.files import write_atomically

if TYPE_CHECKING:
    from imagegen.artifact import Artifact
    from imagegen.jobs.jobs import Jobs
    from imagegen.request import ImageRequest
    from imagegen.studio import Studio
    from imagegen.weights.catalog import ModelCard

MACHINE_FAULTS = (ModelNotFound, CheckpointInvalid, OutputNotWritable, MissingDependency)
SOURCES = ".generated"
"""Folder of the model's own pictures, while a batch with several presets runs."""
LOOK = 1.0  # seconds between two looks whether somebody wants the wait for a job to end


@dataclass(frozen=True, slots=True)
class Queued:
    """A batch of the server: whose it is, and the id that its jobs are found by."""

    batch: str
    owner: str


@dataclass(frozen=True, slots=True)
class Underway:
    """A picture on its way: `job` is None when there is nothing to wait for."""

    picture: PlannedPicture
    outcome: Outcome
    job: str | None = None


class PictureMaker:
    """Makes planned pictures into the folder `out`; `queued` says for whom, for a batch of the server."""

    def __init__(
        self,
        jobs: Jobs,
        studio: Studio,
        card: ModelCard,
        out: Path,
        stop: Event,
        queued: Queued | None = None,
    ) -> None:
        self._jobs = jobs
        self._studio = studio
        self._card = card
        self._out = out
        self._stop = stop
        self._queued = queued
        self._store = open_artifacts(jobs.settings)

    def start(self, picture: PlannedPicture) -> Underway:
        """Hands the picture's job in; a picture that cannot be made is at its end at once. Raises Overloaded,
        Cancelled."""
        self._check_stop()
        product = picture.product
        outcome = Outcome(
            product.row,
            product.line,
            product.id,
            product.sku,
            product.title or product.value("description"),
            picture.prompt,
            FAILED,
            picture.color,
            picture.number,
            warnings=picture.warnings,
            error=picture.error,
        )
        if picture.request is None:
            return Underway(picture, outcome)
        outcome = replace(outcome, seed=picture.request.seed)
        request, file = _job_of(picture, picture.request)
        id = self._job_id(picture, request, file)
        if not self._is_done(picture, file, id):
            self._submit(id, request, file, product.sku or product.id)
        return Underway(picture, outcome, id)

    def finish(self, underway: Underway) -> Outcome:
        """Waits for the picture. Raises Cancelled and MACHINE_FAULTS."""
        if underway.job is None:
            return underway.outcome
        self._check_stop()
        job = self._wait(underway.job)
        if job.state is not JobState.COMPLETED:
            self._check_stop()  # then it was not the row that failed
            return self._failed(underway, _error(job))
        files = underway.picture.files
        seconds, notes = job.seconds or 0.0, job.warnings
        try:
            if len(files) > 1:
                finished = self._finish_each(underway.picture, job)
                seconds += sum(artifact.seconds for artifact in finished)
                notes = tuple(dict.fromkeys((*notes, *(said for each in finished for said in each.remarks))))
            elif self._queued is not None:
                self._fetch(job, self._out / files[0].name)
        except ImagegenError as error:
            return self._failed(underway, error)
        made = tuple(MadeFile(file.name, file.preset) for file in files)
        return replace(underway.outcome, status=COMPLETED, files=made, seconds=seconds, notes=notes)

    def _submit(self, id: str, request: ImageRequest, file: str, label: str) -> None:
        if self._queued is None:
            self._jobs.submit(
                request,
                id=id,
                destination=self._out / file,
                priority=Priority.BATCH,
                label=label,
                again=True,
            )
            return
        self._jobs.submit(
            request,
            id=id,
            owner=self._queued.owner,
            batch=self._queued.batch,
            priority=Priority.BATCH,
            label=label,
            format=format_of(file),
            again=True,
        )

    def _wait(self, id: str) -> Job:
        if self._queued is None:
            return self._jobs.wait(id)
        while not (job := self._jobs.wait(id, timeout=LOOK)).state.final:
            self._check_stop()
        return job

    def _failed(self, underway: Underway, error: ImagegenError) -> Outcome:
        if isinstance(error, MACHINE_FAULTS):
            raise error
        return replace(underway.outcome, error=str(error))

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise Cancelled("stopped", hint="the same batch goes on where this one stopped")

    def _is_done(self, picture: PlannedPicture, source: str, id: str) -> bool:
        """True when an earlier run has left nothing to do.

        A picture with several presets is done when the model's own picture is gone: that is the last thing
        which happens to it.
        """
        if self._queued is None and len(picture.files) == 1:
            return False  # the jobs know
        if not all((self._out / file.name).is_file() for file in picture.files):
            return False
        if (self._out / source).exists() and len(picture.files) > 1:
            return False
        job = self._jobs.get(id)
        return job is not None and job.state is JobState.COMPLETED

    def _finish_each(self, picture: PlannedPicture, job: Job) -> list[Artifact]:
        """Finishes the model's own picture for each preset and removes it; nothing where that was done
        before."""
        from PIL import Image

        source = self._out / _source(picture)
        if self._queued is not None:
            if all((self._out / file.name).is_file() for file in picture.files):
                return []
            self._fetch(job, source)
        elif not source.exists():
            return []
        with Image.open(source) as own:
            own.load()
            artifacts = self._studio.finish_each(own, [file.recipe for file in picture.files])
        for file, artifact in zip(picture.files, artifacts, strict=True):
            artifact.save(self._out / file.name)
        source.unlink()
        return artifacts

    def _fetch(self, job: Job, file: Path) -> None:
        """The job's picture out of the artifact store: the same file by a second name where that can be."""
        if file.is_file():
            return
        stored = self._store.path(job.artifact or "")
        if stored is not None and _linked(stored, file):
            return
        data = self._store.read(job.artifact or "")
        if data is None:
            raise GenerationFailed("its picture is not in the artifact store any more")
        write_atomically(file, data)

    def _job_id(self, picture: PlannedPicture, request: ImageRequest, file: str) -> str:
        """The same for the same picture in the same place, so that a finished one is known again."""
        place = str(self._out.resolve() / file)
        recipes = [[file.name, file.recipe.to_dict()] for file in picture.files]
        parts = json.dumps(
            [place, request.to_dict(), recipes, self._card.revision, __version__], sort_keys=True
        )
        return "batch-" + hashlib.sha256(parts.encode()).hexdigest()[:32]


def _linked(stored: Path, file: Path) -> bool:
    """Gives a file a second name, in one move; False where the file system cannot."""
    temporary = file.parent / f".{file.name[:40]}.{secrets.token_hex(4)}.part"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.hardlink_to(stored)
        temporary.replace(file)
    except OSError:
        return False
    return True


def _job_of(picture: PlannedPicture, request: ImageRequest) -> tuple[ImageRequest, str]:
    """The request of a picture's job, and the file that it writes."""
    if len(picture.files) == 1:
        (file,) = picture.files
        return replace(request, recipe=file.recipe), file.name
    return replace(request, recipe=None, width=None, height=None), _source(picture)


def _source(picture: PlannedPicture) -> str:
    """Where the model's own picture is kept for a while: under its first file's name, as PNG."""
    return str(PurePosixPath(SOURCES) / PurePosixPath(picture.files[0].name).with_suffix(".png"))


def _error(job: Job) -> ImagegenError:
    """What the record of a job that was not completed says, as the error it was."""
    said = job.error or {"code": Cancelled.code, "message": "the job was cancelled"}
    kinds = {kind.code: kind for kind in (*MACHINE_FAULTS, InvalidRequest, Cancelled)}
    kind = kinds.get(said["code"] or "", ImagegenError)
    return kind(said["message"] or "", field=said.get("param"), hint=said.get("hint"))
