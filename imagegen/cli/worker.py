"""imagegen worker: makes pictures for jobs that others hand in."""

from __future__ import annotations

import typer


def worker() -> None:
    """Make pictures for the jobs in the database until Ctrl-C or SIGTERM.

    IMAGEGEN_DATABASE_URL names the database that server and workers share; they also need the same artifact
    store. A worker that is told to stop ends what it is making first.
    """
    import signal
    import threading
    from concurrent.futures import ThreadPoolExecutor, wait

    from imagegen.jobs.worker import work
    from imagegen.logs import set_up_logging
    from imagegen.settings import load_settings

    settings = load_settings()
    set_up_logging(settings)

    stop = threading.Event()
    found = {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        # In a thread of its own, looked after every half second: a signal that comes just before the main
        # thread goes to sleep would not wake it, and `stop.set()` would block where that thread has the lock.
        with ThreadPoolExecutor(1, thread_name_prefix="imagegen-worker") as pool:
            working = pool.submit(work, settings, stop, on_ready=_tell)
            while not wait([working], timeout=0.5).done:
                pass
            working.result()
    finally:
        for number, handler in found.items():
            signal.signal(number, handler)


def _tell() -> None:
    typer.echo("imagegen worker takes jobs", err=True)
