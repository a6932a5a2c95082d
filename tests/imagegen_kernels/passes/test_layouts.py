"""Rows of a weight laid out by octets, from each way that codes are packed."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from imagegen_kernels.formats import pack_binary, pack_ternary
from imagegen_kernels.passes import layouts
from imagegen_kernels.passes.machine import Pass

WAYS: dict[str, tuple[Pass, Callable[[Tensor], Tensor], tuple[int, int]]] = {
    "codes": (layouts.lay_out_codes, lambda codes: codes, (-128, 127)),
    "ternary": (layouts.lay_out_ternary, pack_ternary, (-1, 1)),
    "binary": (layouts.lay_out_binary, pack_binary, (0, 1)),
}


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("rows", "columns"), [(8, 128), (11, 384), (71, 1024)])
def test_a_register_is_four_columns_of_eight_rows(way: str, rows: int, columns: int) -> None:
    lay_out, pack, (low, high) = WAYS[way]
    codes = torch.randint(low, high + 1, (rows, columns), dtype=torch.int8)
    if way == "binary":
        codes = codes * 2 - 1
    octets = -(-rows // 8)
    laid = torch.empty(octets, columns // 4, 8, 4, dtype=torch.int8)
    lay_out(octets, rows, columns // 128, pack(codes), laid)
    again = codes[torch.arange(octets * 8).clamp(max=rows - 1)]
    assert torch.equal(laid.transpose(1, 2).reshape(octets * 8, columns), again)
