"""torch.compile and torch.export keep each op whole, and give what the op gives."""

import logging
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from imagegen.networks.quantized_linear import QuantizedLinear
from imagegen_kernels import (
    attention,
    gated_residual,
    matmul,
    matmul_residual,
    matmul_swiglu,
    modulate,
    qk_rope,
    quantize,
    swiglu,
    weight_only_matmul,
)
from imagegen_kernels.formats import quantize_int4, quantize_ternary
from imagegen_kernels.modulate import Modulated

WEIGHT = quantize_ternary(torch.randn(64, 128, generator=torch.Generator().manual_seed(0)))


def heads(x: Tensor) -> Tensor:
    return x.view(*x.shape[:2], 4, 32).transpose(1, 2)


def rotated(x: Tensor) -> tuple[Tensor, Tensor]:
    angle = torch.arange(x.shape[1] * 16).view(-1, 16) / 7
    both = x.view(*x.shape[:2], 4, 32)
    return qk_rope(both, 2, x[0, 0, :32], x[0, 1, :32], angle.cos(), angle.sin(), interleaved=True)


CALLS: dict[str, Callable[[Tensor], Tensor | tuple[Tensor, ...]]] = {
    "attention": lambda x: attention(heads(x), heads(x), heads(x)),
    "gated_residual": lambda x: gated_residual(x, x[:1, :1], x.flip(1)),
    "matmul": lambda x: matmul(x, WEIGHT, x[0, 0, :64]),
    "matmul of what is to be modulated": lambda x: matmul(Modulated(x, x[0, 0], x[0, 1], 1e-6), WEIGHT),
    "matmul_residual": lambda x: matmul_residual(x, WEIGHT, x[..., :64], x[:1, :1, 64:]),
    "matmul_swiglu": lambda x: matmul_swiglu(x, WEIGHT, 16),
    "weight_only_matmul": lambda x: weight_only_matmul(x, WEIGHT, x[0, 0, :64]),
    "modulate": lambda x: modulate(x, x[0, 0], x[0, 1]),
    "qk_rope": rotated,
    "quantize": quantize,
    "swiglu": lambda x: swiglu(x, torch.empty_like(x[..., :64])),
}


@pytest.fixture(autouse=True)
def undeterministic() -> Iterator[None]:
    """Tracing refuses the poison of the other kernel tests."""
    torch.use_deterministic_algorithms(False)
    yield
    torch._dynamo.reset()


def every(value: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return value if isinstance(value, tuple) else (value,)


@pytest.mark.parametrize("op", CALLS)
def test_a_compiled_program_gives_the_same_in_one_graph(op: str) -> None:
    x = torch.randn(2, 5, 128)
    compiled = torch.compile(CALLS[op], backend="aot_eager", fullgraph=True)
    with torch.inference_mode():
        for got, expected in zip(every(compiled(x)), every(CALLS[op](x)), strict=True):
            torch.testing.assert_close(got, expected)


def test_an_exported_model_holds_the_op_and_any_number_of_tokens() -> None:
    model = nn.Sequential(
        QuantizedLinear(WEIGHT), nn.SiLU(), QuantizedLinear(quantize_int4(torch.randn(8, 64), 64))
    )
    tokens = torch.export.Dim("tokens", min=2, max=100)
    with torch.no_grad():
        exported = torch.export.export(model, (torch.randn(3, 128),), dynamic_shapes=({0: tokens},))
    called = [str(node.target) for node in exported.graph.nodes if node.op == "call_function"]
    assert called.count("imagegen.matmul.default") == 2
    x = torch.randn(17, 128)
    assert torch.equal(exported.module()(x), model(x))


def test_a_compiled_product_prepares_its_weight_once() -> None:
    weight = quantize_ternary(torch.randn(8, 128))
    compiled = torch.compile(lambda x: matmul(x, weight), backend="aot_eager", fullgraph=True)
    compiled(torch.randn(3, 128))
    kept = weight.packed._imagegen_weight  # type: ignore[attr-defined]
    before = dict(kept.prepared)
    compiled(torch.randn(3, 128))
    assert weight.packed._imagegen_weight is kept  # type: ignore[attr-defined]
    assert kept.prepared == before
    assert before


def test_a_program_that_does_not_fit_is_refused_while_it_is_traced(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    compiled = torch.compile(lambda x: matmul(x, WEIGHT), backend="eager", fullgraph=True)
    with pytest.raises(Exception, match="needs floating point x"):
        compiled(torch.randn(3, 64))
