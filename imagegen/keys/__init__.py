"""API keys: who may ask for what, how often, and how soon it is their turn.

`key` says what a key is, `records` keeps them, `allowance` counts what each has used.
"""

from imagegen.keys.key import LOCAL, PRIORITIES, SCOPES, Key, Priority, Scope

__all__ = ["LOCAL", "PRIORITIES", "SCOPES", "Key", "Priority", "Scope"]
