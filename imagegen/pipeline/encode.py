"""Pictures to the latents that the transformer reads."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imagegen.networks.autoencoder import Autoencoder
from imagegen.pipeline.latents import to_tokens


def encode(autoencoder: Autoencoder, picture: NDArray[np.uint8]) -> Tensor:
    """A picture, RGB [H, W, 3] -> its tokens [1, rows * columns, C], normalised, float32.

    Both sides must be multiples of a token's pixels. The mean of the latents, no draw from around it: the
    same picture gives the same tokens. One picture at a time, as in `decode`.
    """
    bn = autoencoder.bn
    pixels = torch.from_numpy(np.array(picture)).to(bn.mean.device)  # a copy: what Pillow gives is read only
    scaled = (pixels.permute(2, 0, 1).unsqueeze(0).float() / 255 * 2 - 1).to(autoencoder.dtype)
    return to_tokens(autoencoder.encode(scaled).float(), bn.mean, bn.std)
