"""A network back from the file that ships, to go on from where no state of its training is left."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

_PREFIX = "network."


def reload(network: nn.Module, file: Path) -> None:
    """Fill `network` with the weights of a file that `export` wrote; what the file lacks stays as it is.

    int8 and float16 become float32: what was rounded stays rounded. Raises ValueError for a weight that the
    network has not.
    """
    stored = {
        entry.name.removeprefix(_PREFIX): numpy_helper.to_array(entry)
        for entry in onnx.load(str(file)).graph.initializer
        if entry.name.startswith(_PREFIX)
    }
    state: dict[str, Tensor] = {}
    for name, values in stored.items():
        if name.endswith((".weight", ".bias")):
            scale = stored.get(name.removesuffix("weight") + "scale") if values.dtype == np.int8 else None
            wide = values.astype(np.float32)
            state[name] = torch.from_numpy(wide if scale is None else wide * scale)
    unknown = network.load_state_dict(state, strict=False).unexpected_keys
    if unknown:
        raise ValueError(f"{file}: weights of another network: {', '.join(unknown)}")
