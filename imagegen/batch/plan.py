"""What a batch will make, known before anything is made: the pictures of every product, with prompt and file
names.

Pure: nothing is loaded, nothing is written. The preview shows its first entries, the batch carries all of
them out.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from imagegen.batch.catalogue import Catalogue, open_catalogue
from imagegen.batch.damage import damage_in
from imagegen.batch.file_names import FileNames
from imagegen.batch.product import Product
from imagegen.batch.template import Template, read_template
from imagegen.errors import InvalidRequest
from imagegen.request import MAX_VARIANTS, ImageRequest, parse_size
from imagegen_postprocess import FinishingError, Preset, Recipe, load_preset


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How a catalogue becomes pictures.

    columns     fields to headers, for a file that no dialect knows (columns.py)
    template    of the prompts; None is the dialect's own
    variants    pictures of each product, 1 to 100, that differ in their seeds
    each_color  a picture in each colour that a product comes in, instead of one in its first
    presets     marketplaces that each picture is finished for; none is the default recipe
    limit       only the first products
    image_url   what stands before the file names in the shop's CSV, for shops that fetch pictures by address

    Raises InvalidRequest naming the option.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    template: str | None = None
    variants: int = 1
    each_color: bool = False
    presets: tuple[str, ...] = ()
    limit: int | None = None
    image_url: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.variants <= MAX_VARIANTS:
            raise InvalidRequest(f"must be 1 to {MAX_VARIANTS}, not {self.variants}", field="variants")
        if self.limit is not None and self.limit < 1:
            raise InvalidRequest("must be at least 1", field="limit")
        if len(set(self.presets)) < len(self.presets):
            raise InvalidRequest("the same one is given twice", field="preset")
        for name in self.presets:
            _preset(name)


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file of a picture: its name in the output folder, "/" between folders, and how it is finished."""

    name: str
    recipe: Recipe
    preset: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedPicture:
    """One picture: `request` is None and `error` says why where it cannot be made.

    `color` is "" unless the picture is one of several by colour; `number` counts the pictures of a product
    (and colour) that differ only in their seeds, from 1.
    """

    product: Product
    prompt: str
    color: str = ""
    number: int = 1
    request: ImageRequest | None = None
    files: tuple[PlannedFile, ...] = ()
    warnings: tuple[str, ...] = ()
    error: str | None = None


class Plan:
    """The pictures of a catalogue; going through them reads the file once."""

    def __init__(self, csv: Path, options: BatchOptions, model: str = "starter") -> None:
        """Raises InputFileInvalid, InvalidRequest naming the option."""
        self.options = options
        self.catalogue: Catalogue = open_catalogue(csv, options.columns)
        self.template: Template = read_template(
            options.template or self.catalogue.dialect.template, self.catalogue
        )
        self.model = model
        if options.each_color and not self.template.has_color:
            raise InvalidRequest(
                f"the pictures of a product would all be of the same prompt, {self.template.text!r}",
                field="template",
                hint="put {color} into it",
            )
        self._finishes = tuple(_finish(name) for name in options.presets) or (_Finish(None, Recipe(), None),)

    @property
    def shop_preset(self) -> str | None:
        """Whose files the shop's CSV names: its own preset's, or the first one's."""
        presets = self.options.presets
        if not presets:
            return None
        own = self.catalogue.dialect.name.partition("-")[0]
        return own if own in presets else presets[0]

    def count(self) -> int:
        """Number of pictures, those that cannot be made included; reads the whole file."""
        each = self.options.variants
        return sum(each * len(self._colors(product)) for product in self._products())

    def pictures(self) -> Iterator[PlannedPicture]:
        """Every picture, in the order of the file. About 200 bytes a product are kept, to know ids and
        file names that were there before."""
        names = FileNames()
        row_of: dict[str, int] = {}
        for product in self._products():
            earlier = row_of.setdefault(product.id, product.row)
            yield from self._of(product, earlier, names)

    def _products(self) -> Iterator[Product]:
        return islice(self.catalogue.products(), self.options.limit)

    def _colors(self, product: Product) -> tuple[str, ...]:
        if self.options.each_color and len(product.colors) > 1 and not product.value("prompt"):
            return product.colors
        return ("",)

    def _of(self, product: Product, earlier: int, names: FileNames) -> Iterator[PlannedPicture]:
        shown = product.colors[0] if product.colors else ""
        warnings = tuple(
            f"{name}: {damage}"
            for name in ("title", "description", "prompt")
            if (damage := damage_in(product.value(name)[:2000])) is not None
        )
        seed: int | None = None
        for color in self._colors(product):
            prompt = product.value("prompt") or self.template.fill(product, color or shown)
            picture = PlannedPicture(product, prompt, color, warnings=warnings)
            try:
                if earlier != product.row:
                    raise InvalidRequest(f"{product.id!r} is already row {earlier}", field="id")
                request = _request(product, prompt, self.model, seed)
            except InvalidRequest as error:
                for number in range(1, self.options.variants + 1):
                    yield replace(picture, number=number, error=str(error))
                continue
            seed = (
                request.seed
            )  # the same for every colour: then the pictures differ in colour and little else
            for number, variant in enumerate(request.variants(self.options.variants), start=1):
                files = self._files(product, color, number, _size(variant), names)
                yield replace(picture, number=number, request=variant, files=files)

    def _files(
        self, product: Product, color: str, number: int, size: tuple[int, int] | None, names: FileNames
    ) -> tuple[PlannedFile, ...]:
        stem = "-".join([product.id, *([color] if color else []), *([str(number)] if number > 1 else [])])
        files = []
        for finish in self._finishes:
            recipe = finish.recipe
            if size is not None:
                recipe = replace(
                    recipe, width=size[0], height=size[1]
                )  # the row's own goes before the preset's
            base, suffix = stem, ".png"
            if finish.preset is not None:
                base, suffix = finish.preset.file_name(stem, finish.preset.format_for(recipe.background))
            folder = f"{finish.name}/" if len(self._finishes) > 1 else ""
            files.append(PlannedFile(folder + names.take(base, suffix, folder), recipe, finish.name))
        return tuple(files)


@dataclass(frozen=True, slots=True)
class _Finish:
    name: str | None
    recipe: Recipe
    preset: Preset | None


def _finish(name: str) -> _Finish:
    preset = _preset(name)
    return _Finish(name, Recipe.from_dict({"preset": name}), preset)


def _preset(name: str) -> Preset:
    try:
        preset = load_preset(name)
        preset.format_for(Recipe.from_dict({"preset": name}).background)
    except FinishingError as error:
        raise InvalidRequest(error.message, field="preset", hint=error.hint) from error
    return preset


def _size(request: ImageRequest) -> tuple[int, int] | None:
    return None if request.width is None or request.height is None else (request.width, request.height)


def _request(product: Product, prompt: str, model: str, seed: int | None) -> ImageRequest:
    """The picture that a product asks for, without its finishing.

    A product without a seed gets one from its id and prompt, so the same catalogue gives the same pictures.
    Raises InvalidRequest naming the column.
    """
    if product.fault:
        raise InvalidRequest(product.fault, field="row")
    if not product.id:
        raise InvalidRequest("is empty", field="id")
    if not prompt:
        raise InvalidRequest("is empty", field="description")
    own, size = product.value("seed"), product.value("size")
    width, height = (parse_size(size) if size else None) or (None, None)
    if own and not (own.isascii() and own.isdigit()):
        raise InvalidRequest(f"must be a whole number, not {own!r}", field="seed")
    if own:
        seed = int(own)
    elif seed is None:
        seed = zlib.crc32(f"{product.id}\n{prompt}".encode("utf-8", "surrogatepass"))
    return ImageRequest(prompt, model, width, height, seed=seed)
