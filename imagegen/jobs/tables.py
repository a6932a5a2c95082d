"""DBOS's table of workflows, as far as we read it: listing, counting and the order of the queues.

Nothing here writes to it; that is DBOS's alone.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Engine, Integer, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "dbos"
ENQUEUED, DELAYED, PENDING, SUCCESS, ERROR, CANCELLED = (
    "ENQUEUED",
    "DELAYED",
    "PENDING",
    "SUCCESS",
    "ERROR",
    "CANCELLED",
)
GIVEN_UP = "MAX_RECOVERY_ATTEMPTS_EXCEEDED"


def workflows(engine: Engine) -> Table:
    """The columns we need of `workflow_status`, where this database has it."""
    schema = SCHEMA if engine.dialect.name == "postgresql" else None
    return Table(
        "workflow_status",
        MetaData(schema=schema),
        Column("workflow_uuid", Text, primary_key=True),
        Column("status", Text),
        Column("name", Text),
        Column("authenticated_user", Text),
        Column("executor_id", Text),
        Column("created_at", BigInteger),
        Column("completed_at", BigInteger),
        Column("priority", Integer),
        Column("queue_name", Text),
        Column("queue_partition_key", Text),
        Column("attributes", JSON().with_variant(JSONB(), "postgresql")),
    )
