"""The studio: a request in, a finished picture out.

The command line, the server and batches all make this one call.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from imagegen.artifact import EDITED, GENERATED, MADE_BY_MACHINE, RETOUCHED, Artifact, Provenance
from imagegen.engine import Engine, Generation
from imagegen.errors import Cancelled, ImagegenError, InputFileInvalid, InvalidRequest, MissingDependency
from imagegen.request import ImageRequest, Priority
from imagegen.settings import Settings, load_settings
from imagegen.store.identity import find_identity
from imagegen.weights.catalog import ModelCard, list_models

if TYPE_CHECKING:
    from PIL.Image import Image

    from imagegen.engine.queue import OnPreview, OnStep
    from imagegen_postprocess import Finished, Models, Recipe

Observe = Callable[[str, float, Mapping[str, str]], None]
"""Hears measurements: name, value, labels."""


class Studio:
    """Makes pictures on this machine.

    Loads a model at the first picture and keeps it. Safe to share between threads: one thread owns the
    device, a bounded queue stands before it. Use it as a context manager, or `close()` it.
    """

    def __init__(self, settings: Settings | None = None, *, observe: Observe | None = None) -> None:
        """`observe` hears measurements: name, value, labels."""
        self._observe = observe or _ignore
        self.settings = settings if settings is not None else load_settings()
        self._identity = find_identity(
            self.settings.data_dir,
            self.settings.certificate,
            self.settings.certificate_key,
            sign=self.settings.content_credentials,
        )
        self._engine = Engine(self.settings)
        self._finishers = ThreadPoolExecutor(max_workers=1, thread_name_prefix="imagegen-finish")
        self._warming_up = False

    def make(self, request: ImageRequest | str, *, on_step: OnStep | None = None, **options: Any) -> Artifact:
        """One finished picture. A plain string is a prompt; `options` are ImageRequest's other fields.

        `on_step(done, total)` is called after each denoising step, in the engine's thread; an exception in it
        stops the picture. Raises what errors.py draws; Ctrl-C stops the work at the end of the running step.
        """
        future = self.submit(self._request(request, options), on_step=on_step)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def submit(
        self,
        request: ImageRequest | str,
        *,
        on_step: OnStep | None = None,
        on_preview: OnPreview | None = None,
        previews: int = 0,
        owner: str = "",
        priority: Priority = Priority.INTERACTIVE,
        bounded: bool = True,
        **options: Any,
    ) -> Future[Artifact]:
        """Queues a request and returns at once. Raises Overloaded when the queue is full.

        `owner` (an API key's id) and `priority` say whose turn it is: owners take turns, interactive goes
        before batch. In a full queue the newest picture of an owner who has more than others gives way: its
        future then raises Overloaded. `bounded=False` is for what was admitted elsewhere.

        `on_preview(i, pixels)` is called up to `previews` times between steps, in the engine's thread, with
        what the model's picture looks like so far (uint8 RGB [height, width, 3], not finished).

        `cancel()` on the future works until the last denoising step is done.
        """
        artifact: Future[Artifact] = Future()

        def step(done: int, total: int) -> None:
            if artifact.cancelled():
                raise Cancelled("the request was cancelled")
            if on_step is not None:
                on_step(done, total)

        generation = self._engine.submit(
            self._request(request, options),
            step,
            on_preview,
            previews,
            owner=owner,
            priority=priority,
            bounded=bounded,
        )
        # The two futures must not hold each other, or their pictures stay until the garbage collector looks
        # for cycles: tens of megabytes under load. The engine holds the generation while it matters.
        waited_for = weakref.ref(generation)

        def withdraw(done: Future[Artifact]) -> None:
            if done.cancelled() and (generation := waited_for()) is not None:
                generation.cancel()

        artifact.add_done_callback(withdraw)
        generation.add_done_callback(lambda done: self._finish_generation(done, artifact))
        return artifact

    def check(self, request: ImageRequest) -> None:
        """Raises what `submit` would raise of a request before it waits: ModelNotFound, InvalidRequest and
        InputFileInvalid."""
        self._engine.check(request)

    def finish(self, picture: Image, recipe: Recipe | None = None) -> Artifact:
        """Finishes a photo: cut-out, colour, canvas. A picture that says it was generated goes on saying so.

        Raises InvalidRequest naming the recipe's field or the picture.
        """
        from imagegen_postprocess import Recipe

        return self.finish_each(picture, [recipe if recipe is not None else Recipe()])[0]

    def finish_each(self, picture: Image, recipes: Sequence[Recipe]) -> list[Artifact]:
        """`finish` by several recipes, as for several marketplaces: what they have in common is done once.

        The seconds of the whole are on the first artifact.
        """
        from imagegen_postprocess import embed_watermark, has_room, kept_exif, origin_of, signed_file_of

        started = time.perf_counter()
        origin = origin_of(picture)
        if origin not in MADE_BY_MACHINE:
            origin = RETOUCHED
        results = _finished(picture, recipes, self._models())
        pictures = [finished.picture for finished in results]
        if marked := self.settings.watermark and origin != RETOUCHED:
            pictures = [embed_watermark(each) for each in pictures]
        seconds = [time.perf_counter() - started] + [0.0] * (len(recipes) - 1)
        return [
            Artifact(
                picture=each,
                provenance=Provenance(origin, watermark=marked and has_room(each)),
                timings={"finish": spent},
                recipe=recipe,
                report=finished.report,
                exif=kept_exif(picture, recipe.metadata),
                identity=self._identity,
                parent=signed_file_of(picture),
            )
            for recipe, finished, each, spent in zip(recipes, results, pictures, seconds, strict=True)
        ]

    def forget(self, request: ImageRequest) -> None:
        """Drops what memory still holds of a request's picture. Raises ModelNotFound and InvalidRequest."""
        self._engine.forget(request)

    def cut_out(self, picture: Image, method: str = "auto", *, keep_shadow: bool = False) -> Artifact:
        """The product alone: RGBA at the picture's size. See `imagegen_postprocess.isolate`.

        Raises InvalidRequest naming "cutout", InputFileInvalid naming "picture" (also where it shows no
        product), MissingDependency.
        """
        from imagegen_postprocess import isolate, origin_of, signed_file_of

        started = time.perf_counter()
        origin = origin_of(picture)
        with _our_errors(""):
            done = isolate(picture, method, keep_shadow=keep_shadow, models=self._models())
        return Artifact(
            picture=done.picture,
            provenance=Provenance(origin if origin in MADE_BY_MACHINE else RETOUCHED),
            timings={"cutout": time.perf_counter() - started},
            report=done.report,
            identity=self._identity,
            parent=signed_file_of(picture),
        )

    def models(self) -> list[ModelCard]:
        """The models installed on this machine."""
        return list_models(self.settings.models_dir)

    def warm_up(self, model: str | None = None) -> None:
        """Loads a model (the settings' own unless named) and what finishing needs, and runs both once.

        Without the finishing a server's first picture took 3.7 s, and its next ones 0.5. The cut-out network,
        which only some pictures need, would come by the seventieth and bring 65 MB.
        """
        self._warming_up = True
        try:
            generation = self._engine.warm_up(model or self.settings.model).result()
            with suppress(ImagegenError):  # the picture may show no product: then there is nothing to cut out
                artifact = self._artifact(generation)
                artifact.encode()
                self.cut_out(artifact.picture, "bundled")
        finally:
            self._warming_up = False

    @property
    def ready(self) -> bool:
        """True when a picture could be made now."""
        return not self.ailments()

    def ailments(self) -> list[str]:
        """What keeps a picture from being made now, in words; empty when nothing does."""
        ailments = self._engine.ailments()
        return ailments or (["what finishing needs is not in memory (yet)"] if self._warming_up else [])

    @property
    def waiting(self) -> int:
        """Pictures in the queue now."""
        return self._engine.waiting

    def close(self) -> None:
        """Stops the engine at the end of the step it is in; what was queued is cancelled. Idempotent."""
        self._engine.close()
        self._finishers.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _models(self) -> Models:
        from imagegen_postprocess import Models

        settings = self.settings
        return Models(settings.models_dir, settings.non_commercial_models, settings.threads)

    def _request(self, request: ImageRequest | str, options: dict[str, Any]) -> ImageRequest:
        if isinstance(request, str):
            return ImageRequest(request, **{"model": self.settings.model, **options})
        return replace(request, **options) if options else request

    def _finish_generation(self, done: Future[Generation], artifact: Future[Artifact]) -> None:
        """Carries a generation over to the finishing thread; the device starts on the next one meanwhile."""
        if done.cancelled():
            artifact.cancel()
        if not artifact.set_running_or_notify_cancel():
            return

        def finish() -> None:
            try:
                made = self._artifact(done.result())
            # Whatever went wrong, the one who waits must hear of it.
            except BaseException as error:  # noqa: BLE001
                self._observe(
                    "pictures", 1, {"model": "", "outcome": getattr(error, "code", "internal_error")}
                )
                artifact.set_exception(error)
                return
            self._measure(made)
            artifact.set_result(made)

        self._finishers.submit(finish)

    def _measure(self, made: Artifact) -> None:
        self._observe("pictures", 1, {"model": made.provenance.model or "", "outcome": "completed"})
        for stage, seconds in made.timings.items():
            self._observe("stage_seconds", seconds, {"stage": stage})

    def _artifact(self, generation: Generation) -> Artifact:
        from PIL import Image

        plan, timings = generation.plan, dict(generation.timings)
        request, recipe, report = plan.request, plan.request.recipe, None
        picture = Image.fromarray(generation.pixels)
        if recipe is not None:
            started = time.perf_counter()
            recipe = replace(recipe, width=request.width, height=request.height)
            (finished,) = _finished(picture, [recipe], self._models())
            picture, report = finished.picture, finished.report
            timings["finish"] = time.perf_counter() - started
        marked = False
        if self.settings.watermark:
            from imagegen_postprocess import embed_watermark, has_room

            marked, picture = has_room(picture), embed_watermark(picture)
        return Artifact(
            picture=picture,
            request=request,
            provenance=Provenance(
                EDITED if request.photos else GENERATED,
                plan.card.name,
                plan.card.revision,
                plan.width,
                plan.height,
                watermark=marked,
            ),
            timings=timings,
            recipe=recipe,
            report=report,
            warnings=(*generation.warnings, *_rules(recipe)),
            reference_tokens=plan.reference_tokens,
            identity=self._identity,
        )


def _ignore(name: str, value: float, labels: Mapping[str, str]) -> None:
    pass


def _rules(recipe: Recipe | None) -> tuple[str, ...]:
    """What the recipe's marketplace says of generated pictures, for the one who asked for one."""
    from imagegen_postprocess import load_preset

    if recipe is None or recipe.preset is None:
        return ()
    preset = load_preset(recipe.preset)
    rule = preset.of_generated
    if rule is None:
        return ()
    return (f"{preset.title}: generated pictures are {rule.bound} ({rule.note}); {rule.sources[0]}",)


def _finished(picture: Image, recipes: Sequence[Recipe], models: Models) -> list[Finished]:
    from imagegen_postprocess import finish_each

    with _our_errors("recipe."):
        return finish_each(picture, recipes, models=models)


@contextmanager
def _our_errors(prefix: str) -> Iterator[None]:
    """imagegen_postprocess knows nothing of our error tree: its errors are put into it here.

    prefix: of the recipe's fields as the caller names them.
    """
    from imagegen_postprocess import (
        DependencyMissing,
        FinishingError,
        ModelFileMissing,
        PictureInvalid,
        ProductNotFound,
    )

    try:
        yield
    except (DependencyMissing, ModelFileMissing) as error:
        raise MissingDependency(
            error.message, field=f"{prefix}{error.field or 'cutout'}", hint=error.hint
        ) from error
    except (PictureInvalid, ProductNotFound) as error:
        raise InputFileInvalid(error.message, field=error.field, hint=error.hint) from error
    except FinishingError as error:
        field = f"{prefix}{error.field}" if error.field else prefix.rstrip(".") or None
        raise InvalidRequest(error.message, field=field, hint=error.hint) from error
