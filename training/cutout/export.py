"""Write the network as ONNX: weights in half precision (half the file), sums in single precision.

onnxruntime turns the weights into float32 once, when it loads the file.
"""

import warnings
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.cutout.network import DEVIATION, MEAN, CutOutNetwork

OPSET = 17
FILE = "cutout.onnx"
EXAMPLE = (1, 320, 320, 3)


class HalfConvolution(nn.Module):
    """A convolution whose weight is kept in float16 and widened before use."""

    weight: Tensor
    bias: Tensor

    def __init__(self, of: nn.Conv2d) -> None:
        super().__init__()
        assert of.bias is not None
        self.register_buffer("weight", of.weight.detach().half())
        self.register_buffer("bias", of.bias.detach())
        self.stride, self.padding, self.groups = of.stride, of.padding, of.groups

    def forward(self, x: Tensor) -> Tensor:
        padding = cast("tuple[int, ...]", self.padding)
        return functional.conv2d(x, self.weight.float(), self.bias, self.stride, padding, groups=self.groups)


class Deployed(nn.Module):
    """uint8 sRGB [B, H, W, 3], sides multiples of 32 -> coverage 0..1, float32 [B, H, W]."""

    def __init__(self, network: CutOutNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        x = (pixels.permute(0, 3, 1, 2).float() - MEAN) / DEVIATION
        return torch.sigmoid(self.network(x))[:, 0]


def export(network: CutOutNetwork, target: Path) -> Path:
    """Write `target`/cutout.onnx and return its path. `network` keeps its weights, but halved."""
    _halve(network)
    target.mkdir(parents=True, exist_ok=True)
    path = target / FILE
    draft = path.with_suffix(".partial")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter is the one that needs no further package
        torch.onnx.export(
            Deployed(network).eval(),
            (torch.zeros(EXAMPLE, dtype=torch.uint8),),
            str(draft),
            input_names=["pixels"],
            output_names=["coverage"],
            dynamic_axes={"pixels": {1: "height", 2: "width"}, "coverage": {1: "height", 2: "width"}},
            opset_version=OPSET,
            do_constant_folding=False,  # it would widen the weights in the file
            dynamo=False,
        )
    draft.replace(path)
    return path


def _halve(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d):
            setattr(module, name, HalfConvolution(child))
        else:
            _halve(child)
