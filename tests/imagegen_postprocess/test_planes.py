"""Planes give the bits of NumPy's own work along the last axis."""

from __future__ import annotations

import numpy as np

from imagegen_postprocess.planes import columns_of, dot, largest, planes_of, smallest

PICTURE = np.random.default_rng(3).normal(size=(37, 53, 3)).astype(np.float32)


def test_the_planes_are_the_channels() -> None:
    assert all((plane == PICTURE[..., index]).all() for index, plane in enumerate(planes_of(PICTURE)))
    codes = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert all(
        plane.dtype == np.float32 and (plane == codes[..., k]).all()
        for k, plane in enumerate(planes_of(codes))
    )


def test_the_bits_are_those_along_the_last_axis() -> None:
    planes = planes_of(PICTURE)
    assert (largest(planes) == PICTURE.max(axis=2)).all()
    assert (smallest(planes) == PICTURE.min(axis=2)).all()
    assert (largest(columns_of(PICTURE[0])) == PICTURE[0].max(axis=1)).all()
    assert (dot(planes, planes) == (PICTURE * PICTURE).sum(axis=2)).all()
