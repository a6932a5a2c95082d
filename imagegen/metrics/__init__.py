"""What Prometheus reads: how much is asked for, how long it takes, what waits, and the memory it needs."""

from imagegen.metrics.metrics import Metrics

__all__ = ["Metrics"]
