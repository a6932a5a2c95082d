"""SwiGLU gate on a GPU: one program a run of channels."""

from __future__ import annotations

from torch import Tensor

from imagegen_kernels.launch import launch

BLOCK = 1024
"""Channels a program."""


def swiglu(x: Tensor, out: Tensor) -> Tensor:
    """As `reference.swiglu`, to rounding, into `out`, whose rows may lie apart."""
    from imagegen_kernels.swiglu import gpu_kernels

    width = out.shape[-1]
    rows, places = x.reshape(-1, 2 * width), out.flatten(0, -2) if out.ndim > 1 else out.view(1, -1)
    if rows.stride(-1) != 1:
        rows = rows.contiguous()
    if places.data_ptr() != out.data_ptr() or places.stride(-1) != 1:
        return out.copy_(swiglu(x, out.new_empty(out.shape)))
    if out.numel():
        launch(
            gpu_kernels.swiglu,
            len(rows) * -(-width // BLOCK),
            4,
            1,
            x=rows,
            out=places,
            width=width,
            x_stride=rows.stride(0),
            out_stride=places.stride(0),
            BLOCK=BLOCK,
        )
    return out
