"""Write the network as ONNX: small weights in float16, large ones in int8, sums in single precision.

onnxruntime turns the weights into float32 once, when it loads the file.
"""

import warnings
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.cutout.network import DEVIATION, MEAN, CutOutNetwork, SheetNetwork

OPSET = 17
LARGE = 20_000  # entries from which a weight is kept in int8
EXAMPLE = (1, 320, 320, 3)


class PackedConvolution(nn.Module):
    """A convolution whose weight is kept in int8 with a scale for each output channel, or in float16.

    Only large weights are rounded to int8: with all of them the outlines were worse (boundary F on 35
    composites 0.896 instead of 0.900).
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor

    def __init__(self, of: nn.Conv2d) -> None:
        super().__init__()
        assert of.bias is not None
        weight = of.weight.detach()
        scale = weight.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12) / 127
        self.small = weight.numel() < LARGE
        self.register_buffer(
            "weight", weight.half() if self.small else (weight / scale).round().to(torch.int8)
        )
        self.register_buffer("scale", scale)
        self.register_buffer("bias", of.bias.detach())
        self.stride, self.padding, self.groups = of.stride, of.padding, of.groups

    def forward(self, x: Tensor) -> Tensor:
        padding, weight = cast("tuple[int, ...]", self.padding), self.weight.float()
        weight = weight if self.small else weight * self.scale
        return functional.conv2d(x, weight, self.bias, self.stride, padding, groups=self.groups)


class Deployed(nn.Module):
    """uint8 sRGB [B, H, W, 3], sides multiples of 32 -> coverage 0..1, float32 [B, H, W].

    difference: from the sheet, float32 [B, H, W, 3], for a network that is told it.
    """

    def __init__(self, network: CutOutNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor, difference: Tensor | None = None) -> Tensor:
        x = (pixels.permute(0, 3, 1, 2).float() - MEAN) / DEVIATION
        if difference is not None:
            x = torch.cat([x, difference.permute(0, 3, 1, 2)], dim=1)
        return torch.sigmoid(self.network(x))[:, 0]


def export(network: CutOutNetwork, path: Path) -> Path:
    """Write `path` (ONNX) and return it. `network` keeps its weights, but rounded."""
    _pack(network)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".partial")
    examples: tuple[Tensor, ...] = (torch.zeros(EXAMPLE, dtype=torch.uint8),)
    names = ["pixels"]
    if isinstance(network, SheetNetwork):
        examples, names = (*examples, torch.zeros(EXAMPLE)), [*names, "difference"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter is the one that needs no further package
        torch.onnx.export(
            Deployed(network).eval(),
            examples,
            str(draft),
            input_names=names,
            output_names=["coverage"],
            dynamic_axes={name: {1: "height", 2: "width"} for name in (*names, "coverage")},
            opset_version=OPSET,
            do_constant_folding=False,  # it would widen the weights in the file
            dynamo=False,
        )
    draft.replace(path)
    return path


def _pack(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d):
            setattr(module, name, PackedConvolution(child))
        else:
            _pack(child)
