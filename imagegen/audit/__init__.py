"""The audit log: who did what, when, and that nobody changed it afterwards.

`entry` says what is written and how one entry is chained to the one before, `log` writes and verifies.
"""

from imagegen.audit.entry import Entry

__all__ = ["Entry"]
