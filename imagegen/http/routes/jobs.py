"""/v1/jobs: pictures that nobody waits for on an open connection. They survive a crash of the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import KEEPALIVE_COMMENT

from imagegen.errors import Forbidden, ImagegenError, InvalidRequest, JobNotFound, Overloaded
from imagegen.http.audit_trail import note, note_prompt
from imagegen.http.from_wire import output_format, read
from imagegen.http.idempotency import Claim, IdempotencyKeys
from imagegen.http.job_wire import event_data, job_object
from imagegen.http.limits import refund, spend
from imagegen.http.photos import photo_of, photos_of
from imagegen.http.routes.models import served_model
from imagegen.http.schemas.images import ImageGeneration, PictureFields
from imagegen.http.schemas.jobs import JobCreation, JobList, JobObject, Status
from imagegen.http.streaming import QUIET_SECONDS, EventStream, sse
from imagegen.jobs.job import Job, JobState, Priority
from imagegen.keys import Key
from imagegen.request import ImageRequest
from imagegen.settings import Settings
from imagegen.studio import Studio
from imagegen.webhooks.records import WebhookRecords

PATH = "/v1/jobs"
MAX_BYTES = 32 << 20  # photos of 24 MiB in base64
LOOK_SECONDS = 0.25
"""Between two looks at a job that somebody follows."""
_POLL_AFTER = "1"  # seconds: what Retry-After says of a job that was just handed in


def router(
    studio: Studio, settings: Settings, jobs: Any, keys: IdempotencyKeys, webhooks: WebhookRecords
) -> APIRouter:
    routes = APIRouter(prefix=PATH, tags=["jobs"])

    def shown(job: Job, request: Request) -> JobObject:
        return job_object(job, lambda id: str(request.url_for("artifact", id=id)))

    def known(id: str, request: Request) -> Job:
        job: Job | None = jobs.get(id, _owner(request))
        if job is None:
            raise JobNotFound(f"there is no job {id[:64]!r}", field="id")
        return job

    def hand_in(body: JobCreation, key: Key, claim: Claim | None) -> Job:
        """Refuses or hands in; everything that can be refused is, before anything is on record."""
        if body.webhook is not None:
            webhooks.known(body.webhook, _owner_of(key))
        card = served_model(body.model, studio, settings)
        fields = body.model_dump(include=set(PictureFields.model_fields), exclude_unset=True)
        picture = ImageGeneration(**fields)
        (asked,) = read(picture, card, settings.queue_size)
        asked = _with_photos(asked, body)
        if asked.photos:
            studio.check(asked)  # a photo that cannot be used is the sender's to know at once
        if key.waiting is not None:
            waiting = jobs.list(owner=key.id, state=JobState.QUEUED, limit=key.waiting).jobs
            if len(waiting) >= key.waiting:
                raise Overloaded(f"{key.waiting} jobs of this key are waiting already", retry_after=10)
        job: Job = jobs.submit(
            asked,
            id=None if claim is None else claim.job,
            owner=key.id,
            priority=_priority(body, key),
            label=body.label,
            format=output_format(picture, asked.recipe),
            webhook=body.webhook,
            deadline=body.deadline,
        )
        return job

    @routes.post("", status_code=202)
    async def create_job(
        body: JobCreation,
        request: Request,
        response: Response,
        idempotency_key: Annotated[
            str | None,
            Header(description="1 to 255 characters: the same request with the same key is one job"),
        ] = None,
    ) -> JobObject:
        """Hands a job in and answers at once; the job is on disk then. `Location` says where to look."""
        key: Key = request.state.caller
        claim = None
        if idempotency_key is not None:
            payload = body.model_dump(exclude_unset=True)
            claim = await run_in_threadpool(keys.claim, key.id, idempotency_key, payload)
        if claim is not None and claim.done:
            job = await run_in_threadpool(known, claim.job, request)
        else:
            try:
                await spend(request, 1)
                try:
                    job = await run_in_threadpool(hand_in, body, key, claim)
                except ImagegenError:
                    await refund(request, 1)
                    raise
            except ImagegenError:
                if claim is not None:
                    await run_in_threadpool(keys.release, claim)
                raise
            if claim is not None:
                await run_in_threadpool(keys.done, claim)
        note(request, job=job.id, pictures=1)
        note_prompt(request, body.prompt)
        response.headers["Location"] = str(request.url_for("get_job", id=job.id))
        response.headers["Retry-After"] = _POLL_AFTER
        return shown(job, request)

    @routes.get("")
    def list_jobs(
        request: Request,
        status: Annotated[Status | None, Query(description="only jobs that stand so")] = None,
        batch: Annotated[str | None, Query(max_length=200, description="only jobs of this batch")] = None,
        after: Annotated[str | None, Query(max_length=200, description="`next` of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> JobList:
        """The caller's jobs, newest first; everybody's for a key with the scope admin."""
        page = jobs.list(
            owner=_owner(request),
            state=None if status is None else JobState(status),
            batch=batch,
            after=after,
            limit=limit,
        )
        data = [shown(job, request) for job in page.jobs]
        return JobList(data=data, has_more=page.next is not None, next=page.next)

    @routes.get("/{id}", name="get_job")
    def get_job(id: str, request: Request, response: Response) -> JobObject:
        """How a job stands; `Retry-After` while it has not ended."""
        job = known(id, request)
        if not job.state.final:
            response.headers["Retry-After"] = _POLL_AFTER
        return shown(job, request)

    @routes.post("/{id}/cancel")
    def cancel_job(id: str, request: Request) -> JobObject:
        """Ends a job at the end of the step it is in; one that has ended stays as it is."""
        known(id, request)
        return shown(jobs.cancel(id), request)

    @routes.delete("/{id}", status_code=204)
    def delete_job(id: str, request: Request) -> None:
        """Removes a job and every trace of it: record, prompt, picture. One that is being made is cancelled
        first."""
        known(id, request)
        jobs.delete(id)
        webhooks.forget(id)

    @routes.get(
        "/{id}/events",
        status_code=200,
        response_class=EventStream,
        responses={200: {"description": "server-sent events: queued, generating, completed, ..."}},
    )
    async def job_events(
        id: str,
        request: Request,
        last_event_id: Annotated[str | None, Header(description="goes on after this event")] = None,
    ) -> Response:
        """What happens to the job from now on, to its end. Each event has an id; a reader that lost its
        connection sends the last one as `Last-Event-ID` and misses nothing but steps that were over."""
        after = _last_seen(last_event_id)
        await run_in_threadpool(known, id, request)
        return EventStream(_events(jobs, id, after))

    return routes


def _with_photos(request: ImageRequest, body: JobCreation) -> ImageRequest:
    if body.fit is not None and body.image is None:
        raise InvalidRequest("belongs to an image to start from", field="fit")
    return replace(
        request,
        image=None if body.image is None else photo_of(body.image, "image"),
        strength=body.strength,
        fit=body.fit or "pad",
        references=tuple(photos_of(body.references, "references")),
    )


async def _events(jobs: Any, id: str, after: int) -> AsyncIterator[bytes]:
    quiet = 0.0
    while True:
        job: Job | None = await run_in_threadpool(jobs.get, id)
        if job is None:  # deleted meanwhile
            return
        seq = job.seq
        if seq > after:
            after, quiet = seq, 0.0
            yield sse(job.state.value, event_data(job).model_dump(), str(seq))
        if job.state.final:
            return
        await asyncio.sleep(LOOK_SECONDS)
        quiet += LOOK_SECONDS
        if quiet >= QUIET_SECONDS:
            quiet = 0.0
            yield KEEPALIVE_COMMENT


def _last_seen(header: str | None) -> int:
    if header is None:
        return 0
    if not (header.isascii() and header.isdigit() and len(header) < 10):
        raise InvalidRequest("is no event's id", field="Last-Event-ID")
    return int(header)


def _owner(request: Request) -> str | None:
    return _owner_of(request.state.caller)


def _owner_of(key: Key) -> str | None:
    """Whose jobs a key sees: its own, or everybody's (None) with the scope admin."""
    return None if "admin" in key.scopes else key.id


def _priority(body: JobCreation, key: Key) -> Priority:
    if body.priority == "interactive" and key.priority == "batch":
        raise Forbidden("this key's jobs wait behind interactive ones", field="priority")
    return Priority(body.priority or key.priority)
