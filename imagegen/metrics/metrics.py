"""Every measure of this process, in a registry of its own.

Studio and jobs report through `observe`, a plain function that they are handed, so nothing below knows what
Prometheus is. Labels are models, stages, routes and codes: never a prompt, a key or anything else a caller
writes, which would also make a new series for each.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
"""Seconds. The library's own end at 10, which a 4B model on a CPU passes with every picture."""


class Metrics:
    """Safe to share between threads."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "imagegen_http_requests",
            "Requests answered",
            ["method", "route", "status"],
            registry=registry,
        )
        self._request_seconds = Histogram(
            "imagegen_http_request_seconds",
            "Seconds to the end of the answer",
            ["route"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._counters = {
            "pictures": Counter(
                "imagegen_pictures",
                "Pictures by model and outcome (completed, or the error's code)",
                ["model", "outcome"],
                registry=registry,
            ),
            "cache": Counter(
                "imagegen_cache", "Requests looked up in the cache", ["result"], registry=registry
            ),
        }
        self._histograms = {
            "stage_seconds": Histogram(
                "imagegen_stage_seconds",
                "Seconds a picture spent in a stage (queue is waiting, load the model's)",
                ["stage"],
                buckets=BUCKETS,
                registry=registry,
            ),
            "job_seconds": Histogram(
                "imagegen_job_seconds",
                "Seconds a worker spent on a job that it completed",
                ["priority"],
                buckets=BUCKETS,
                registry=registry,
            ),
        }
        memory = Gauge("imagegen_gpu_memory_bytes", "GPU memory held by tensors", registry=registry)
        memory.set_function(_gpu_memory)

    def observe(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        """Takes a measurement; a name that is not known here is left out, a label that is missing is ""."""
        if (counter := self._counters.get(name)) is not None:
            counter.labels(*(str(labels.get(label, "")) for label in counter._labelnames)).inc(value)
        elif (histogram := self._histograms.get(name)) is not None:
            histogram.labels(*(str(labels.get(label, "")) for label in histogram._labelnames)).observe(value)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One HTTP request that was answered; `route` is a template."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A gauge imagegen_<name> that is read whenever somebody looks."""
        Gauge(f"imagegen_{name}", text, registry=self._registry).set_function(read)

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)


def _gpu_memory() -> float:
    """0 without a GPU; never loads torch to find out."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return 0.0
    return float(torch.cuda.memory_allocated())
