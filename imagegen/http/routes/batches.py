"""/v1/batches: a whole catalogue in one request. Batches survive a crash of the server."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, RedirectResponse, StreamingResponse

from imagegen.batch.archive import zip_stream
from imagegen.batch.batches import Batches
from imagegen.batch.columns import parse_columns
from imagegen.batch.plan import BatchOptions
from imagegen.batch.preview import preview
from imagegen.batch.record import BatchRecord, BatchState
from imagegen.batch.run import GALLERY, JSONL, MANIFEST, SHOP
from imagegen.errors import BatchNotFound, ImagegenError
from imagegen.http.audit_trail import note
from imagegen.http.limits import refund, spend
from imagegen.http.schemas.batches import BatchForm, BatchLinks, BatchList, BatchObject, BatchPreview
from imagegen.keys import Key
from imagegen.settings import Settings

PATH = "/v1/batches"
_POLL_AFTER = "5"  # seconds: what Retry-After says of a batch that runs
_PAGE = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'"
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": BatchPreview, "description": "with dry_run: what it would become"},
    202: {"model": BatchObject, "description": "it is on disk and goes on by itself"},
}
_ZIP = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}
_CSV = {"text/csv": {"schema": {"type": "string"}}}
_JSONL = {"application/jsonl": {"schema": {"type": "string"}}}


def router(settings: Settings, batches: Batches) -> APIRouter:
    routes = APIRouter(prefix=PATH, tags=["batches"])

    def known(id: str, request: Request) -> BatchRecord:
        return batches.get(id, _owner(request))

    def file_of(id: str, name: str, request: Request, media_type: str) -> Response:
        record = known(id, request)
        path = batches.out(record.id) / name
        if not path.is_file():
            raise BatchNotFound(f"{name} of this batch is not there (yet)", field="id")
        headers = {"Content-Disposition": f'attachment; filename="{record.id}-{name}"'}
        return FileResponse(path, media_type=media_type, headers=headers)

    @routes.post("", status_code=202, response_model=BatchObject | BatchPreview, responses=_ANSWERS)
    async def create_batch(
        request: Request,
        response: Response,
        form: Annotated[BatchForm, Form(media_type="multipart/form-data")],
        dry_run: Annotated[bool, Query(description="only look: answers 200 and keeps nothing")] = False,
        show: Annotated[int, Query(ge=1, le=1000, description="prompts of a dry run that are shown")] = 10,
    ) -> BatchObject | BatchPreview:
        """Takes a catalogue and answers as soon as it is on disk; `Location` says where to look."""
        options = BatchOptions(
            columns=parse_columns([form.columns] if form.columns else []),
            template=form.template,
            variants=form.variants,
            each_color=form.each_color,
            presets=tuple(form.preset),
            limit=form.limit,
            image_url=form.image_url,
        )
        key: Key = request.state.caller
        name = PurePosixPath((form.file.filename or "").replace("\\", "/")).name[:200] or "catalogue"
        uploaded = batches.uploaded(form.file.file)
        upload = await run_in_threadpool(uploaded.__enter__)
        try:
            if dry_run:
                seen = await run_in_threadpool(preview, upload, options, show, model=settings.model)
                response.status_code = 200
                return BatchPreview(**seen.to_dict())
            total = await run_in_threadpool(batches.count, upload, options)
            await spend(request, total)
            try:
                record = await run_in_threadpool(batches.create, upload, name, options, key.id, total)
            except ImagegenError:
                await refund(request, total)
                raise
        except ImagegenError as error:
            if error.field == str(upload):
                error.field = "file"  # the sender does not know where it lies here
            raise
        finally:
            await run_in_threadpool(uploaded.__exit__, None, None, None)
        note(request, batch=record.id, pictures=total)
        response.headers["Location"] = str(request.url_for("get_batch", id=record.id))
        response.headers["Retry-After"] = _POLL_AFTER
        return shown(record, request)

    @routes.get("")
    def list_batches(request: Request, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> BatchList:
        """The caller's batches, newest first; everybody's for a key with the scope admin."""
        records = batches.list(_owner(request))[:limit]
        return BatchList(data=[shown(record, request) for record in records])

    @routes.get("/{id}", name="get_batch")
    def get_batch(id: str, request: Request, response: Response) -> BatchObject:
        """How a batch stands; `Retry-After` while it runs."""
        record = known(id, request)
        if not record.state.final:
            response.headers["Retry-After"] = _POLL_AFTER
        return shown(record, request)

    @routes.post("/{id}/cancel")
    def cancel_batch(id: str, request: Request) -> BatchObject:
        """Ends a batch; what is made stays. One that has ended stays as it is."""
        return shown(batches.cancel(known(id, request).id), request)

    @routes.delete("/{id}", status_code=204)
    def delete_batch(id: str, request: Request) -> None:
        """Removes a batch and every trace of it: the file, prompts, pictures, jobs."""
        batches.delete(known(id, request).id)

    @routes.get("/{id}/manifest.csv", response_class=FileResponse, responses={200: {"content": _CSV}})
    def manifest_csv(id: str, request: Request) -> Response:
        """A line for each file, as far as it is."""
        return file_of(id, MANIFEST, request, "text/csv; charset=utf-8")

    @routes.get("/{id}/manifest.jsonl", response_class=FileResponse, responses={200: {"content": _JSONL}})
    def manifest_jsonl(id: str, request: Request) -> Response:
        """The same as JSON lines."""
        return file_of(id, JSONL, request, "application/jsonl")

    @routes.get("/{id}/shop.csv", response_class=FileResponse, responses={200: {"content": _CSV}})
    def shop_csv(id: str, request: Request) -> Response:
        """The catalogue with its pictures filled in, for the shop's own import."""
        return file_of(id, SHOP, request, "text/csv; charset=utf-8")

    @routes.get("/{id}/archive.zip", response_class=StreamingResponse, responses={200: {"content": _ZIP}})
    def archive(id: str, request: Request) -> Response:
        """Everything that is there as one zip file, sent while it is put together."""
        record = known(id, request)
        headers = {"Content-Disposition": f'attachment; filename="{record.id}.zip"'}
        return StreamingResponse(
            zip_stream(batches.out(record.id)), media_type="application/zip", headers=headers
        )

    @routes.get("/{id}/gallery", status_code=307, response_class=RedirectResponse)
    def gallery(id: str, request: Request) -> Response:
        """The page that shows every picture; it is written when the batch ends."""
        record = known(id, request)
        return RedirectResponse(str(request.url_for("batch_file", id=record.id, name=GALLERY)))

    @routes.get("/{id}/files/{name:path}", name="batch_file", response_class=FileResponse)
    def batch_file(id: str, name: str, request: Request) -> Response:
        """A picture, or the gallery page, by its name in the manifest."""
        out = batches.out(known(id, request).id)
        path = out / name
        hidden = any(part.startswith(".") for part in PurePosixPath(name).parts)
        if "\0" in name or hidden or not path.resolve().is_relative_to(out.resolve()) or not path.is_file():
            raise BatchNotFound(f"there is no file {name[:200]!r} in this batch (yet)", field="name")
        headers = {"Content-Security-Policy": _PAGE} if name == GALLERY else {}
        return FileResponse(path, headers=headers)

    return routes


def shown(record: BatchRecord, request: Request) -> BatchObject:
    def link(route: str) -> str:
        return str(request.url_for(route, id=record.id))

    options = asdict(record.options)
    has_shop = record.shop and record.state is BatchState.COMPLETED
    return BatchObject(
        id=record.id,
        status=record.state.value,
        name=record.name,
        dialect=record.dialect,
        template=record.template,
        options={name: list(value) if isinstance(value, tuple) else value for name, value in options.items()},
        total=record.total,
        completed=record.completed,
        failed=record.failed,
        warned=record.warned,
        created_at=record.created,
        ended_at=record.ended,
        error=None if record.error is None else record.error,  # type: ignore[arg-type]  # pydantic reads it
        links=BatchLinks(
            manifest_csv=link("manifest_csv"),
            manifest_jsonl=link("manifest_jsonl"),
            archive=link("archive"),
            gallery=link("gallery"),
            shop_csv=link("shop_csv") if has_shop else None,
        ),
    )


def _owner(request: Request) -> str | None:
    """Whose batches a key sees: its own, or everybody's (None) with the scope admin."""
    key: Key = request.state.caller
    return None if "admin" in key.scopes else key.id
