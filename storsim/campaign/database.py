"""Hypothesis' example database: what a campaign found is put where ordinary test runs replay it first."""

from __future__ import annotations

import base64
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from storsim.campaign.plan import Plan, PlanError

if TYPE_CHECKING:
    from storsim.campaign.merging import Report


def open_database(plan: Plan) -> Any:
    """The database of a plan. Raises PlanError, also where no Redis answers; ImportError that names the extra."""
    from hypothesis.database import DirectoryBasedExampleDatabase

    if not plan.database.startswith(("redis://", "rediss://")):
        return DirectoryBasedExampleDatabase(os.path.join(plan.folder, plan.database))
    try:
        redis: Any = import_module("redis")
        extra: Any = import_module("hypothesis.extra.redis")
    except ImportError as error:
        raise ImportError("a database on Redis needs its client: pip install 'storsim[redis]'") from error
    try:
        client = redis.Redis.from_url(plan.database)
        client.ping()
    except ValueError as error:
        raise PlanError(f"database: {plan.database!r}: {error}; write redis://host:port/number") from error
    except (redis.RedisError, OSError) as error:
        raise PlanError(f"database: no answer from {plan.database}: {error}") from error
    return extra.RedisExampleDatabase(client)


def save(report: Report) -> int:
    """Puts the example of every finding into the plan's database, under the key of the target; returns how many.

    A test of the same machine that uses the same database then fails at once, with this program. Nothing where the plan
    names no database. Raises ImportError that names the extra, TargetError.
    """
    plan = report.plan
    if not plan.database:
        return 0
    from storsim.campaign.programs import Target

    database, key = open_database(plan), Target(plan).digest()
    examples = [one["example"] for one in report.findings if one["kind"] not in ("crash", "hang") and one["example"]]
    for example in examples:
        database.save(key, base64.b64decode(example))
    return len(examples)
