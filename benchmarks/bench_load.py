"""64 clients at once on one server: errors, fairness, latency, memory, and what batching gives.

    python -m benchmarks.bench_load              (from the repository's root; --seconds 30 to try it)

load        48 clients of one API key and 16 of another ask without a pause for as long as it takes; a client
            that is refused (429) waits as long as it is told. Fairness is how many pictures each key got,
            memory the server's resident set at the end of each minute; growth from the first to the last.
latency     one client alone, in turns with the same request made in this process without HTTP.
batching    two servers, one with max_batch 1 and one with the default, loaded in turns by 16 clients.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.machine import describe_machine, write_results

PROMPTS = ("navy blue running shoe", "brown leather handbag", "silver watch", "red lipstick", "black belt")
SERVER = (
    "import sys; from imagegen.cli.app import main; sys.argv = ['imagegen', *sys.argv[1:]]; sys.exit(main())"
)
MANY, FEW = 48, 16


@dataclass
class Server:
    """A running `imagegen serve`."""

    url: str
    pid: int
    keys: dict[str, str] = field(default_factory=dict)

    def processor_ms(self) -> float:
        """Processor time so far: beside other work on the machine it says more than the clock."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise ValueError("the server has no memory")


@contextmanager
def serving(model: str, *keys: str, **settings: Any) -> Iterator[Server]:
    """A server in a data folder of its own, ready, with API keys of these names."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("IMAGEGEN_")}
        settings |= {"data_dir": folder, "model": model, "device": "cpu", "port": 0}
        environment |= {f"IMAGEGEN_{name.upper()}": str(value) for name, value in settings.items()}
        secrets = {}
        for name in keys:
            command = [sys.executable, "-c", SERVER, "keys", "create", name]
            made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            secrets[name] = made.stdout.strip()
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, "serve"], env=environment, stderr=subprocess.PIPE, text=True
        )
        try:
            assert process.stderr is not None
            url = next(line.split()[-1] for line in process.stderr if "serves" in line)
            while httpx.get(f"{url}/readyz").status_code != 200:
                time.sleep(0.1)
            yield Server(url, process.pid, secrets)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@dataclass
class Answers:
    """What clients saw: (key, status, seconds) of each answer."""

    seen: list[tuple[str, int, float]] = field(default_factory=list)

    def made(self, key: str | None = None) -> int:
        return sum(status == 200 and key in (None, whose) for whose, status, _ in self.seen)


async def ask_until(end: float, client: httpx.AsyncClient, key: str, number: int, answers: Answers) -> None:
    """One client: asks, waits for the answer, asks again."""
    seed = number * 1_000_000
    while time.monotonic() < end:
        seed += 1
        body = {"prompt": PROMPTS[seed % len(PROMPTS)], "seed": seed}
        started = time.monotonic()
        status, wait = 0, 1.0
        with contextlib.suppress(httpx.HTTPError):
            answer = await client.post("/v1/images/generations", json=body)
            status, wait = answer.status_code, float(answer.headers.get("retry-after", 1))
        answers.seen.append((key, status, time.monotonic() - started))
        if status != 200:
            await asyncio.sleep(min(wait, max(0.0, end - time.monotonic())))


async def clients(server: Server, counts: dict[str, int], seconds: float) -> Answers:
    answers = Answers()
    end = time.monotonic() + seconds
    async with contextlib.AsyncExitStack() as stack:
        tasks, number = [], 0
        for key, count in counts.items():
            headers = {"Authorization": f"Bearer {server.keys[key]}"} if key in server.keys else {}
            client = httpx.AsyncClient(
                base_url=server.url, headers=headers, timeout=120, limits=httpx.Limits(max_connections=count)
            )
            await stack.enter_async_context(client)
            for _ in range(count):
                number += 1
                tasks.append(ask_until(end, client, key, number, answers))
        await asyncio.gather(*tasks)
    return answers


async def _with_memory(server: Server, counts: dict[str, int], seconds: float) -> tuple[Answers, list[float]]:
    samples: list[float] = []

    async def sample() -> None:
        while True:
            samples.append(server.memory_mb())
            await asyncio.sleep(1)

    sampling = asyncio.create_task(sample())
    try:
        return await clients(server, counts, seconds), samples
    finally:
        sampling.cancel()


def load(model: str, seconds: float) -> dict[str, Any]:
    with serving(model, "many", "few") as server:
        before = server.memory_mb()
        answers, memory = asyncio.run(_with_memory(server, {"many": MANY, "few": FEW}, seconds))
    # Of each minute (a fifth of a shorter run): the median of its last ten seconds.
    minute = max(10, min(60, len(memory) // 5))
    by_minute = [
        round(statistics.median(memory[end - 10 : end]), 1) for end in range(minute, len(memory) + 1, minute)
    ]
    latency = sorted(spent for _, status, spent in answers.seen if status == 200)
    made = {key: answers.made(key) for key in ("many", "few")}
    return {
        "seconds": seconds,
        "clients": {"many": MANY, "few": FEW},
        "statuses": {str(status): n for status, n in Counter(s for _, s, _ in answers.seen).items()},
        "pictures": made,
        "few_to_many": round(made["few"] / max(1, made["many"]), 3),
        "pictures_per_s": round(answers.made() / seconds, 2),
        "latency_s": {f"p{p}": round(latency[len(latency) * p // 100], 3) for p in (50, 95, 99) if latency},
        "memory_mb": {"before": round(before, 1), "each_s": minute, "at_the_end_of_each": by_minute},
        "memory_growth": round(by_minute[-1] / by_minute[0] - 1, 4),
    }


def latency(model: str, pictures: int) -> dict[str, Any]:
    """HTTP and bare, in turns; milliseconds."""
    from imagegen import ImageRequest, Studio

    bare, http, added = [], [], []
    bare_work = http_work = 0.0
    with (
        serving(model, threads=1) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
        tempfile.TemporaryDirectory() as folder,
    ):
        os.environ |= {"IMAGEGEN_THREADS": "1", "IMAGEGEN_DATA_DIR": folder, "IMAGEGEN_DEVICE": "cpu"}
        with Studio() as studio:
            studio.warm_up(model)
            for i in range(pictures + 3):
                prompt = PROMPTS[i % len(PROMPTS)]
                served, worked = server.processor_ms(), time.process_time()
                started = time.perf_counter()
                base64.b64encode(studio.make(ImageRequest(prompt, model=model, seed=i)).encode("png"))
                between = time.perf_counter()
                worked = time.process_time() - worked
                client.post("/v1/images/generations", json={"prompt": prompt, "seed": i}).raise_for_status()
                ended = time.perf_counter()
                if i >= 3:
                    bare.append((between - started) * 1000)
                    http.append((ended - between) * 1000)
                    added.append(http[-1] - bare[-1])
                    bare_work += worked * 1000
                    http_work += server.processor_ms() - served
    return {
        "pictures": pictures,
        "bare_ms_p50": round(statistics.median(bare), 1),
        "http_ms_p50": round(statistics.median(http), 1),
        "added_ms_p50": round(statistics.median(http) - statistics.median(bare), 1),
        "added_ms_median_of_pairs": round(statistics.median(added), 1),
        "bare_processor_ms": round(bare_work / pictures, 1),
        "http_processor_ms": round(http_work / pictures, 1),
    }


def batching(model: str, seconds: float, rounds: int) -> dict[str, Any]:
    rates: dict[str, list[float]] = {"max_batch_1": [], "max_batch_4": []}
    with serving(model, max_batch=1) as one, serving(model, max_batch=4) as four:
        for _ in range(rounds):
            for name, server in (("max_batch_1", one), ("max_batch_4", four)):
                answers = asyncio.run(clients(server, {"": 16}, seconds))
                rates[name].append(round(answers.made() / seconds, 2))
    medians = {name: statistics.median(runs) for name, runs in rates.items()}
    return {
        "seconds_each": seconds,
        "pictures_per_s": rates,
        "ratio": round(medians["max_batch_4"] / medians["max_batch_1"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="starter")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    results: dict[str, Any] = {"benchmark": "load", "model": options.model, "machine": describe_machine()}
    results["latency"] = latency(options.model, options.pictures)
    print(json.dumps(results["latency"]), flush=True)
    results["batching"] = batching(options.model, max(5.0, options.seconds / 20), options.rounds)
    print(json.dumps(results["batching"]), flush=True)
    results["load"] = load(options.model, options.seconds)
    print(json.dumps(results["load"]), flush=True)
    results["load_average_after"] = [round(value, 2) for value in os.getloadavg()]
    print(write_results("load", "cpu", results))


if __name__ == "__main__":
    main()
