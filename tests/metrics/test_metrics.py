"""What is measured comes out in Prometheus's format."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from imagegen.metrics import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_measurements_are_counted_by_their_labels() -> None:
    metrics = Metrics()
    for seconds in (0.2, 45.0):
        metrics.observe("stage_seconds", seconds, {"stage": "denoise"})
    metrics.observe("pictures", 1, {"model": "starter", "outcome": "completed"})
    metrics.observe("cache", 1, {"result": "hit"})
    found = samples(metrics)
    assert found["imagegen_stage_seconds_count", ("denoise",)] == 2
    assert found["imagegen_stage_seconds_bucket", ("10.0", "denoise")] == 1
    assert found["imagegen_stage_seconds_bucket", ("60.0", "denoise")] == 2
    assert found["imagegen_pictures_total", ("starter", "completed")] == 1
    assert found["imagegen_cache_total", ("hit",)] == 1


def test_what_is_not_known_is_left_out_and_labels_may_be_missing() -> None:
    metrics = Metrics()
    metrics.observe("temperature", 20, {})
    metrics.observe("job_seconds", 1, {"colour": "red"})
    found = samples(metrics)
    assert found["imagegen_job_seconds_count", ("",)] == 1
    assert not [name for name, _ in found if "temperature" in name]


def test_gauges_are_read_when_somebody_looks() -> None:
    metrics = Metrics()
    waiting = [3]
    metrics.watch("queue_pictures", "Pictures that wait", lambda: waiting[0])
    assert samples(metrics)["imagegen_queue_pictures", ()] == 3
    waiting[0] = 5
    assert samples(metrics)["imagegen_queue_pictures", ()] == 5
    assert samples(metrics)["imagegen_gpu_memory_bytes", ()] >= 0
    assert samples(metrics)["process_resident_memory_bytes", ()] > 1e6


def test_two_of_them_do_not_mix() -> None:
    one, other = Metrics(), Metrics()
    one.request("GET", "/healthz", 200, 0.001)
    assert samples(one)["imagegen_http_requests_total", ("GET", "/healthz", "200")] == 1
    assert ("imagegen_http_requests_total", ("GET", "/healthz", "200")) not in samples(other)
