"""What `imagegen tune` times runs, with any tile."""

import pytest
import torch

from imagegen_kernels import card, tuning


def test_every_product_gives_the_same_with_another_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tuning.calls(torch.device("cpu"), tokens=17, rows=48, columns=256)
    tables = [set(card.table(f"sm_{number}") or {}) for number in (80, 86, 89, 90, 100, 120)]
    assert set().union(*tables) <= set(runs)
    for product, run in runs.items():
        expected = run()
        assert float(expected.float().norm()) > 0, product
        with monkeypatch.context() as patched:
            patched.setattr(card, "tile", lambda product, device: card.Tile(32, 64, 4, 2))
            torch.testing.assert_close(run(), expected, rtol=1e-2, atol=1e-2)
