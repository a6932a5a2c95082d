"""Ops as `torch.ops.imagegen.*`, with fake kernels, so that torch.compile and torch.export keep them whole.

A program that is not traced calls the ops directly: the dispatcher takes 10 us a call, and a small picture
makes hundreds of calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

_library = torch.library.Library("imagegen", "DEF")  # type: ignore[no-untyped-call]


def traceable(schema: str, real: Callable[..., Any], fake: Callable[..., Any]) -> Callable[..., Any]:
    """Define `schema` ("name(Tensor x, ...) -> Tensor") in the namespace imagegen; what it gives is what a
    program that is being traced calls. `real` does the work on any device, `fake` only says of which shape
    and dtype the results are; neither may return a view of an argument."""
    name = schema.partition("(")[0]
    _library.define(schema)  # type: ignore[no-untyped-call]
    _library.impl(name, real, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
    torch.library.register_fake(f"imagegen::{name}", fake, lib=_library)
    overload: Callable[..., Any] = getattr(torch.ops.imagegen, name).default
    return overload
