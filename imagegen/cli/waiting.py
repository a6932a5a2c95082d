"""How long PyTorch's threads wait for each other before they sleep.

Between two operators a thread of libgomp's pool spins, as a rule for some milliseconds. Where another program
has one of the cores, all of a picture's operators wait so for a thread that does not run, and keep from it
the core that it could run on: record 039.
"""

from __future__ import annotations

import os

SPINS = "5000"
"""About 70 us on Zen 3: longer than the bundled model's Python between two operators, shorter than a turn
that the scheduler gives another program. libgomp's own is 300000."""

_SAID = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def wait_briefly() -> None:
    """For this process, unless its owner has said otherwise. libgomp reads it while PyTorch is imported, so
    it comes before that; other OpenMP libraries do not know it."""
    if not any(name in os.environ for name in _SAID):
        os.environ["GOMP_SPINCOUNT"] = SPINS
