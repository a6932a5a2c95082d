from __future__ import annotations

from pathlib import Path

import pytest

from imagegen_postprocess import ModelFileMissing, ModelNotAllowed, Models, Recipe, finish
from imagegen_postprocess.background.models import LICENCES, licence_of, require_allowed
from tests.imagegen_postprocess.drawn import bag, photograph


@pytest.mark.parametrize("name", ["bria-rmbg", "a-model-of-unknown-licence"])
def test_non_commercial_models_are_refused_unless_allowed(name: str, tmp_path: Path) -> None:
    picture = photograph(bag(64))
    with pytest.raises(ModelNotAllowed, match="licence") as refusal:
        finish(picture, Recipe(cutout=name), models=Models(tmp_path))
    assert refusal.value.field == "cutout"
    with pytest.raises(ModelFileMissing):  # allowed, it is only not there
        finish(picture, Recipe(cutout=name), models=Models(tmp_path, non_commercial=True))


def test_the_others_are_allowed_as_they_are() -> None:
    for name, licence in LICENCES.items():
        if licence.commercial:
            require_allowed(name, Models())
    assert not licence_of("bria-rmbg").commercial
