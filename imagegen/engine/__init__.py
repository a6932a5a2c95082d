"""The engine: one thread owns the device and turns requests into the model's pictures.

`plan` decides what the model will be asked for, `queue` who goes next and together with whom, `engine`
carries it out.
"""

from imagegen.engine.engine import Engine
from imagegen.engine.plan import Plan, plan
from imagegen.engine.queue import Generation

__all__ = ["Engine", "Generation", "Plan", "plan"]
