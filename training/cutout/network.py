"""The cut-out network: the encoder of EfficientNet-Lite0 and a light decoder, about two million weights.

The encoder (Tan and Le, "EfficientNet", ICML 2019; Lite: no squeeze-and-excite, ReLU6) starts from published
ImageNet weights with batch normalisation folded into the convolutions, so that nothing has running statistics
and small batches train. The decoder adds the encoder's levels from coarse to fine, U-Net fashion; the last
level predicts two by two pixels at once.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

# expansion, channels, blocks, stride of the first, kernel; the published network's, less its last block of
# the sixth stage and its seventh stage, which only classify.
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 3, 2, 5),
)
STEM = 32
WIDTHS = (96, 64, 48, 32, 16)  # of the decoder, at 1/32, 1/16, 1/8, 1/4 and 1/2 of the input
EVIDENCE = (20, 32, 48, 64)  # features of what the sheet's colour tells, at 1/2 to 1/16
MULTIPLE = 32  # sides of the input must be multiples of this
MEAN, DEVIATION = 127.0, 128.0  # of 8-bit input: what the published weights were trained on
_EPSILON = 1e-3  # of the published batch normalisation


class Block(nn.Module):
    """Inverted residual: expand, filter each channel, project."""

    def __init__(self, inner: int, channels: int, expansion: int, stride: int, kernel: int) -> None:
        super().__init__()
        wide = inner * expansion
        self.expand = nn.Conv2d(inner, wide, 1) if expansion > 1 else nn.Identity()
        self.filter = nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide)
        self.project = nn.Conv2d(wide, channels, 1)
        self.residual = stride == 1 and inner == channels

    def forward(self, x: Tensor) -> Tensor:
        wide = x if isinstance(self.expand, nn.Identity) else functional.relu6(self.expand(x))
        # oneDNN's backward of depthwise 5x5 takes twice as long in bfloat16 as in float32 (61 against 27 ms).
        with torch.autocast(x.device.type, enabled=False):
            filtered = self.filter(wide.float())
        out: Tensor = self.project(functional.relu6(filtered))
        return x + out if self.residual else out


class Encoder(nn.Module):
    """Pixels [B, 3, H, W] in -1..1 -> 16, 24, 40, 112 and 192 features at 1/2 to 1/32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, STEM, 3, 2, 1)
        stages, inner = [], STEM
        for expansion, channels, blocks, stride, kernel in STAGES:
            rows = []
            for index in range(blocks):
                rows.append(Block(inner, channels, expansion, stride if index == 0 else 1, kernel))
                inner = channels
            stages.append(nn.Sequential(*rows))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        levels = []
        x = functional.relu6(self.stem(x))
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number != 3:  # the fourth and fifth stage share a resolution
                levels.append(x)
        return levels


class Refine(nn.Module):
    """Twice as large, the encoder's level added, two 3x3 convolutions."""

    def __init__(self, inner: int, side: int, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(inner, channels, 1)
        self.lateral = nn.Conv2d(side, channels, 1)
        nn.init.normal_(self.lateral.weight, std=0.1 / side**0.5)  # the encoder's levels deviate by about ten
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, coarse: Tensor, level: Tensor, more: Tensor | None = None) -> Tensor:
        x = functional.interpolate(self.reduce(coarse), scale_factor=2.0, mode="nearest")
        x = x + self.lateral(level)
        x = functional.relu(x if more is None else x + more)
        return functional.relu(x + self.second(functional.relu(self.first(x))))


class CutOutNetwork(nn.Module):
    """Pixels [B, 3, H, W] in -1..1, sides multiples of 32 -> logits of the coverage [B, 1, H, W]."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        half, quarter, eighth, sixteenth, coarsest = 16, 24, 40, 112, 192
        self.bottom = nn.Conv2d(coarsest, WIDTHS[0], 1)
        self.context = nn.Conv2d(coarsest, WIDTHS[0], 1)
        nn.init.normal_(self.bottom.weight, std=0.3 / coarsest**0.5)
        nn.init.normal_(self.context.weight, std=0.3 / coarsest**0.5)
        self.mix = nn.Conv2d(WIDTHS[0], WIDTHS[0], 3, padding=1)
        self.refine = nn.ModuleList(
            Refine(inner, side, channels)
            for inner, side, channels in zip(
                WIDTHS[:-1], (sixteenth, eighth, quarter, half), WIDTHS[1:], strict=True
            )
        )
        self.glance = nn.Conv2d(WIDTHS[2], 1, 1)  # a coarse answer at 1/8, for training only
        self.answer = nn.Conv2d(WIDTHS[-1], 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.both(x)[0]

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits at full size and the coarse ones at 1/8."""
        levels = self.encoder(x)
        x = self.bottom(levels[4]) + self.context(levels[4].mean(dim=(2, 3), keepdim=True))
        x = functional.relu(x)
        x = functional.relu(x + self.mix(x))
        glance = x
        for number, (refine, level) in enumerate(zip(self.refine, reversed(levels[:4]), strict=True)):
            x = refine(x, level)
            if number == 1:
                glance = self.glance(x)
        return functional.pixel_shuffle(self.answer(x), 2), glance


def start_from_imagenet(network: CutOutNetwork, weights: Path) -> None:
    """Fill the encoder from a published EfficientNet-Lite0 state, batch normalisation folded in."""
    state: dict[str, Tensor] = torch.load(weights, map_location="cpu", weights_only=True)
    _fold(network.encoder.stem, state, "_conv_stem", "_bn0")
    number = 0
    for stage in network.encoder.stages:
        assert isinstance(stage, nn.Sequential)
        for block in stage:
            assert isinstance(block, Block)
            prefix = f"_blocks.{number}."
            if isinstance(block.expand, nn.Conv2d):
                _fold(block.expand, state, prefix + "_expand_conv", prefix + "_bn0")
            _fold(block.filter, state, prefix + "_depthwise_conv", prefix + "_bn1")
            _fold(block.project, state, prefix + "_project_conv", prefix + "_bn2")
            number += 1
        if number == 14:  # the fourth block of the sixth stage is left out
            break


def _fold(target: nn.Conv2d, state: dict[str, Tensor], convolution: str, norm: str) -> None:
    scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + _EPSILON)
    shift = state[f"{norm}.bias"] - scale * state[f"{norm}.running_mean"]
    assert target.bias is not None
    with torch.no_grad():
        target.weight.copy_(state[f"{convolution}.weight"] * scale[:, None, None, None])
        target.bias.copy_(shift)


class Evidence(nn.Module):
    """Pixels and their difference from the sheet, 6 channels at full size -> 20, 32, 48 and 64 features at
    1/2 to 1/16."""

    def __init__(self) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        inner = 6 * 4  # two by two pixels at once
        for number, channels in enumerate(EVIDENCE):
            self.levels.append(
                nn.Sequential(
                    nn.Conv2d(inner, channels, 3, 2 if number else 1, 1),
                    nn.ReLU(),
                    nn.Conv2d(channels, channels, 3, padding=1),
                    nn.ReLU(),
                )
            )
            inner = channels

    def forward(self, x: Tensor) -> list[Tensor]:
        x = functional.pixel_unshuffle(x, 2)
        found = []
        for level in self.levels:
            x = level(x)
            found.append(x)
        return found


class SheetNetwork(CutOutNetwork):
    """As CutOutNetwork, of a product before a plain sheet whose colour is known.

    x: [B, 6, H, W], pixels in -1..1 and their difference from the sheet in Lab, over the tolerance.
    """

    def __init__(self) -> None:
        super().__init__()
        self.evidence = Evidence()
        self.told = nn.ModuleList(
            nn.Conv2d(inner, channels, 1)
            for inner, channels in zip(reversed(EVIDENCE), WIDTHS[1:], strict=True)
        )
        self.last = nn.Conv2d(WIDTHS[-1] + EVIDENCE[0], 20, 3, padding=1)
        self.corrected = nn.Conv2d(20, 4, 3, padding=1)
        for layer in (*self.told, self.corrected):  # begins as the network that it goes on from
            assert isinstance(layer, nn.Conv2d)
            assert layer.bias is not None
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        difference = x[:, 3:]
        # As logarithms: a step just above the noise counts as much as one from grey to black.
        difference = torch.sign(difference) * torch.log1p(difference.abs())
        known = self.evidence(torch.cat([x[:, :3], difference], dim=1))
        levels = self.encoder(x[:, :3])
        x = self.bottom(levels[4]) + self.context(levels[4].mean(dim=(2, 3), keepdim=True))
        x = functional.relu(x)
        x = functional.relu(x + self.mix(x))
        glance = x
        for number, (refine, told, level, seen) in enumerate(
            zip(self.refine, self.told, reversed(levels[:4]), reversed(known), strict=True)
        ):
            x = refine(x, level, told(seen))
            if number == 1:
                glance = self.glance(x)
        corrected = self.corrected(functional.relu(self.last(torch.cat([x, known[0]], dim=1))))
        return functional.pixel_shuffle(self.answer(x) + corrected, 2), glance
