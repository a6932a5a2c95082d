"""What fits into a given amount of free memory, and what is said when nothing does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from imagegen.engine.fitting import Fit, fit
from imagegen.errors import OutOfMemory
from imagegen.weights.catalog import ModelCard, find_model, read_card
from imagegen.weights.memory import Needs, Part, memory_needs

GB = 10**9


@pytest.fixture
def card(tiny_checkpoint: Path) -> ModelCard:
    return replace(read_card(tiny_checkpoint), name="klein", multiple=16, text_length=512)


@pytest.fixture
def needs(card: ModelCard) -> Needs:
    """About a ternary FLUX.2 [klein] 4B: 1 GB a megapixel and picture, 4 GB of weights."""
    return Needs(
        card,
        transformer=Part(GB, 0),
        text_encoder=Part(3 * GB, 3 * GB),
        autoencoder=Part(0, 0),
        token=GB // 4096,
        prompt=GB // 20,
        pixel=1000,
        photo_pixel=1280,
        dense=False,
    )


def test_everything_is_kept_where_there_is_room(needs: Needs) -> None:
    assert fit(needs, 1024, 1024, 4, free=20 * GB) == Fit(4, keep_text_encoder=True)
    assert fit(needs, 1024, 1024, 4, free=None) == Fit(4, keep_text_encoder=True)
    assert fit(needs, 1024, 1024, free=None, policy="evict") == Fit(1, keep_text_encoder=False)


def test_batches_shrink_before_the_text_encoder_goes(needs: Needs) -> None:
    two = needs.peak(1024, 1024, 2)
    assert fit(needs, 1024, 1024, 4, free=two) == Fit(2, keep_text_encoder=True)
    one = needs.peak(1024, 1024, 1)
    assert fit(needs, 1024, 1024, 4, free=one) == Fit(1, keep_text_encoder=True)
    assert not fit(needs, 1024, 1024, 4, free=one - 1).keep_text_encoder
    assert fit(needs, 1024, 1024, 4, free=one, policy="evict").batch > 1


def test_what_is_in_memory_already_counts(needs: Needs) -> None:
    peak = needs.peak(1024, 1024)
    assert fit(needs, 1024, 1024, free=peak - GB, held=GB).keep_text_encoder
    with pytest.raises(OutOfMemory):
        fit(needs, 1024, 1024, free=peak - GB, policy="keep")


def test_the_smallest_change_that_would_fit_is_told(needs: Needs) -> None:
    with pytest.raises(OutOfMemory) as told:
        fit(needs, 2048, 2048, free=5 * GB)
    least = needs.peak(2048, 2048, keep_text_encoder=False) / 1e9
    assert str(told.value).startswith(
        f"size: klein needs {least:.1f} GB at 2048x2048, 5.0 GB are free (1536x1536"
    )
    assert not fit(needs, 1536, 1536, free=5 * GB).keep_text_encoder
    with pytest.raises(OutOfMemory, match="IMAGEGEN_TEXT_ENCODER=evict or 768x768 would fit"):
        fit(needs, 1024, 1024, free=int(4.9 * GB), policy="keep")
    with pytest.raises(OutOfMemory, match="fewer or smaller photos"):
        fit(needs, 1024, 1024, free=5 * GB, more_tokens=100 * 4096)
    with pytest.raises(OutOfMemory, match="no smaller picture and no other format"):
        fit(needs, 1024, 1024, free=3 * GB)


def test_a_photo_needs_room_while_it_is_encoded(needs: Needs) -> None:
    small = needs.peak(256, 256)
    assert needs.peak(256, 256, photo=256 * 256) == small
    large = needs.peak(256, 256, photo=1024 * 1024)
    assert large > small
    assert fit(needs, 256, 256, 2, free=large, photo=1024 * 1024).batch == 2
    with pytest.raises(OutOfMemory, match="fewer or smaller photos would fit"):
        fit(needs, 256, 256, free=large - 1, photo=1024 * 1024, policy="keep")


def test_a_dense_model_is_told_to_be_quantised(tiny_checkpoint: Path) -> None:
    needs = memory_needs(read_card(tiny_checkpoint))
    packed = memory_needs(needs.card, {"transformer": "int8", "text_encoder": "int8"})
    assert packed.weights < needs.weights
    free = packed.peak(64, 64, keep_text_encoder=False)
    with pytest.raises(OutOfMemory, match="imagegen models quantize tiny --format int8` would fit"):
        fit(needs, 64, 64, free=free)


def test_only_sizes_that_the_model_makes_are_offered() -> None:
    needs = replace(memory_needs(find_model("starter")), pixel=10**6)
    with pytest.raises(OutOfMemory) as told:
        fit(needs, 256, 256, free=GB)
    assert (
        told.value.hint
        == "no smaller picture and no other format would fit: free memory, or take a smaller model"
    )


def test_steps_are_recorded_where_there_is_room_left(needs: Needs) -> None:
    whole = needs.peak(1024, 1024, graphs=0)
    picture = needs.picture(1024, 1024)
    assert whole == needs.peak(1024, 1024) + picture
    assert fit(needs, 1024, 1024, free=whole, graphs=0) == Fit(1, True, graphs=True)
    assert fit(needs, 1024, 1024, free=whole - 1, graphs=0) == Fit(1, True, graphs=False)
    assert not fit(needs, 1024, 1024, free=whole, graphs=picture + 1).graphs, "others hold more already"
    assert not fit(needs, 1024, 1024, free=whole).graphs
    assert fit(needs, 1024, 1024, free=None, graphs=0).graphs
