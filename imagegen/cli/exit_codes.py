"""What each exit code means, for --help; errors.py decides which error has which."""

from __future__ import annotations

EXIT_CODES = {
    0: "done",
    1: "a checked picture breaks a marketplace's rule; or an error that nobody foresaw, which please report",
    2: "a wrong option, request field or setting",
    3: "no model of that name",
    4: "a model's files are missing, damaged or do not fit together",
    5: "an input file (CSV, picture) cannot be used",
    6: "the output cannot be written",
    7: "the queue is full",
    8: "not enough memory",
    9: "an optional part is needed and not installed",
    10: "the model failed",
    11: "some rows of a batch or some files failed; the others are done",
    12: "an API key is missing or wrong",
    13: "the device failed; a new try may succeed",
    14: "a job's deadline passed",
    15: "no job has that id",
    16: "an API key lacks the scope for this",
    17: "an API key has used up what it may do for now",
    18: "the audit log was changed or cut off",
    19: "no webhook, or no delivery of it, has that id",
    20: "an Idempotency-Key was used for another request before",
    21: "the first request with this Idempotency-Key is being handed in",
    22: "the artifact store does not answer",
    23: "no batch, or no file of one, has that name",
    130: "stopped with Ctrl-C",
}


def exit_code_table() -> str:
    return "Exit codes:\n\n" + "\n".join(f"{code:>3}  {meaning}" for code, meaning in EXIT_CODES.items())
