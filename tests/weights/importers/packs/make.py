"""Makes the files beside it with the tools themselves: what they write is the specification of our readers.

They are not installed with the tests (hqq wants accelerate, mlx a recent glibc), so the files are kept. In an
environment of its own with torch:

    pip install --no-deps gemlite==0.6.0.post2 hqq==0.2.8.post1 mlx==0.32.4 mlx-cpu==0.32.4
    pip install termcolor tqdm numpy triton
    python tests/weights/importers/packs/make.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).parent


def weights() -> dict[str, torch.Tensor]:
    """Ternary, binary (groups of 128, float16 scales) and dense weights [16, 256], the same everywhere."""
    generator = torch.Generator().manual_seed(5)
    codes = torch.randint(-1, 2, (16, 256), generator=generator)
    signs = torch.randint(0, 2, (16, 256), generator=generator) * 2 - 1
    scales = (torch.rand(16, 2, generator=generator) / 8).half().repeat_interleave(128, dim=1)
    return {
        "ternary": (codes * scales).half(),
        "binary": (signs * scales).half(),
        "dense": torch.randn(16, 256, generator=generator).half() / 16,
    }


def gemlite() -> dict[str, torch.Tensor]:
    if not torch.cuda.is_available():  # it asks for a card when it is imported; packing needs none
        card = type("Card", (), {"name": "none", "multi_processor_count": 1, "major": 8, "minor": 0})()
        torch.cuda.get_device_capability = lambda *_: (8, 0)
        torch.cuda.get_device_properties = lambda *_: card
        torch.cuda.get_device_name = lambda *_: "none"
        torch.cuda.current_device = lambda: 0
        from types import SimpleNamespace

        from triton.runtime import driver

        target = SimpleNamespace(backend="cuda", arch=80, warp_size=32)
        driver.set_active(SimpleNamespace(get_current_target=lambda: target))
    from gemlite.core import DType, GemLiteLinearTriton

    state: dict[str, torch.Tensor] = {}
    for name, bits in (("ternary", 2), ("binary", 1)):
        weight = weights()[name]
        scale = weight.view(16, 2, 128).abs().amax(-1)
        for mode, fma in (("fma", True), ("shift", False)):
            for width in (8, 32):
                layer = GemLiteLinearTriton(bits, 128, 256, 16, DType.FP16, DType.FP16)
                if bits == 2:
                    codes = (weight.view(16, 2, 128) / scale.unsqueeze(-1) + 1).round()
                    zeros, scales = torch.ones_like(scale), scale
                else:
                    codes = (weight.view(16, 2, 128) > 0).half()
                    zeros, scales = torch.full_like(scale, 0.5), scale * 2
                layer.pack(
                    codes.view(16, 256).to(torch.uint8), scales, zeros, None, fma, packing_bitwidth=width
                )
                prefix = f"{name}.{mode}{width}."
                state |= {f"{prefix}{key}": value.clone() for key, value in layer.state_dict().items()}
    return state


def hqq() -> dict[str, Any]:
    from hqq.core.quantize import BaseQuantizeConfig, HQQLinear

    linear = torch.nn.Linear(256, 16, bias=False)
    linear.weight.data = weights()["dense"].float()
    config = BaseQuantizeConfig(nbits=4, group_size=64, axis=1)
    layer = HQQLinear(linear, config, compute_dtype=torch.float16, device="cpu")
    layer.encoded_state_dict = False
    return {"linear": dict(layer.state_dict()), "dequantized": {"weight": layer.dequantize().detach()}}


def mlx() -> None:
    import mlx.core as mx

    arrays: dict[str, Any] = {}
    for name, bits, group in (("dense", 4, 64), ("dense", 8, 64), ("dense", 2, 128)):
        packed, scales, biases = mx.quantize(
            mx.array(weights()[name].numpy()).astype(mx.bfloat16), group_size=group, bits=bits
        )
        prefix = f"b{bits}g{group}"
        arrays |= {f"{prefix}.weight": packed, f"{prefix}.scales": scales, f"{prefix}.biases": biases}
        back = mx.dequantize(packed, scales, biases, group_size=group, bits=bits)
        arrays[f"{prefix}.dequantized"] = back
    mx.save_safetensors(str(HERE / "mlx.safetensors"), arrays)


if __name__ == "__main__":
    torch.save(gemlite(), HERE / "gemlite.pt")
    torch.save(hqq(), HERE / "hqq.pt")
    mlx()
