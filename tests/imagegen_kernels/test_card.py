"""When our GPU kernels are taken, and with which tiles; the card itself is played."""

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from imagegen_kernels import card

CUDA = torch.device("cuda", 0)
CACHED = (card._refusal, card.say_reference, card.card_name, card.table, card.measured)


@pytest.fixture
def h100(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "NVIDIA H100 80GB HBM3")
    monkeypatch.setattr(card, "capability", lambda index: 90)
    monkeypatch.setattr(card, "_proved", lambda index: True)
    clear()
    yield
    card.choose("auto")
    card.keep_tiles_in(None)
    clear()


def clear() -> None:
    for cached in CACHED:
        cached.cache_clear()


@pytest.mark.usefixtures("h100")
def test_a_known_card_takes_them_with_its_capability_s_tiles() -> None:
    assert card.takes(CUDA)
    assert not card.takes(torch.device("cpu"))
    assert card.tile("ternary", CUDA) == card.Tile(tokens=128, rows=256, warps=8, stages=4)
    assert card.tile("ternary-swiglu", CUDA) == card.tile("ternary", CUDA)
    assert card.tile("ternary-residual", CUDA).rows == 128
    with pytest.raises(ValueError, match="no tile of a int3 product"):
        card.tile("int3", CUDA)


@pytest.mark.usefixtures("h100")
def test_a_card_s_own_table_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"ternary": card.Tile(64, 128, 4, 3)}
    tables = {"nvidia-h100-80gb-hbm3": own, "sm_90": card.table("sm_90")}
    monkeypatch.setattr(card, "table", tables.get)
    assert card.tile("ternary", CUDA) is own["ternary"]
    assert card.tile("binary", CUDA).rows == 256


@pytest.mark.usefixtures("h100")
def test_what_was_measured_here_goes_before_all_tables(tmp_path: Path) -> None:
    card.keep_tiles_in(tmp_path)
    file = card.measured_file(tmp_path, 0)
    assert file.name == f"nvidia-h100-80gb-hbm3-triton-{version('triton')}.json"
    assert card.tile("ternary", CUDA).rows == 256
    file.write_text(json.dumps({"tiles": {"ternary": {"tokens": 64, "rows": 64, "warps": 4, "stages": 2}}}))
    assert card.tile("ternary", CUDA).rows == 256, "read once"
    card.keep_tiles_in(tmp_path)
    assert card.tile("ternary", CUDA) == card.Tile(64, 64, 4, 2)
    assert card.tile("binary", CUDA).rows == 256
    card.keep_tiles_in(None)
    assert card.tile("ternary", CUDA).rows == 256


@pytest.mark.usefixtures("h100")
@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"tiles": {"ternary": {"tokens": 64}}}',
        '{"tiles": {"a": {"tokens": 3, "rows": 64, "warps": 4, "stages": 2}}}',
    ],
)
def test_a_damaged_table_is_named_and_left_out(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    card.keep_tiles_in(tmp_path)
    card.measured_file(tmp_path, 0).write_text(text)
    for _ in range(2):
        assert card.tile("ternary", CUDA).rows == 256
    (message,) = caplog.messages
    assert "imagegen tune" in message


@pytest.mark.usefixtures("h100")
@pytest.mark.parametrize("fault", ["asked", "capability", "proof", "triton"])
def test_what_is_not_taken_is_said_once(
    fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if fault == "asked":
        card.choose("reference")
    elif fault == "capability":
        monkeypatch.setattr(card, "capability", lambda index: 75)
    elif fault == "proof":
        monkeypatch.setattr(card, "_proved", lambda index: False)
    else:
        monkeypatch.setattr(card, "_has_triton", lambda: False)
    assert not card.takes(CUDA)
    assert not card.takes(CUDA)
    reason = {
        "asked": "IMAGEGEN_KERNELS asks for it",
        "capability": "capability 7.5",
        "proof": "something else than their specification",
        "triton": "Triton is not installed",
    }[fault]
    (message,) = caplog.messages
    assert message.startswith("On the GPU plain PyTorch runs instead of our kernels: ")
    assert reason in message


def test_without_a_card_there_is_a_reason() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a card")
    assert card.refusal() == "torch finds no CUDA device"


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(ValueError, match="auto or reference, not 'fast'"):
        card.choose("fast")  # type: ignore[arg-type]
