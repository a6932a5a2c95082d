"""What jobs leave behind, and how all of it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbos import DBOS

from imagegen.jobs.ending import ENDED
from imagegen.store.photos import forget

if TYPE_CHECKING:
    from imagegen.jobs.job import Job
    from imagegen.store.artifacts import ArtifactStore
    from imagegen.store.photos import PhotoStore


@dataclass(frozen=True, slots=True)
class Traces:
    store: ArtifactStore
    photos: PhotoStore

    def remove(self, jobs: Sequence[Job]) -> None:
        """Pictures and photos first, then the records that lead to them. Whoever calls it lets the database
        forget (`forget_deleted`)."""
        for job in jobs:
            # By the name that it would have: between file and record a cancelled job has a picture too.
            if job.kept_as is not None:
                self.store.delete(job.kept_as)
            forget(self.photos, job.id, job.request)
        ids = [job.id for job in jobs]
        DBOS.delete_workflows([*ids, *(f"{id}.{ENDED}" for id in ids)])
