"""What the tests of campaigns share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from storsim.campaign import Plan, Report

HERE = Path(__file__).parent.parent / "campaign"


def plan(name: str, **keys: Any) -> Plan:
    """A plan for one of the drivers of tests/campaign/drivers.py."""
    keys.setdefault("programs", 60)
    keys.setdefault("round", 20)
    keys.setdefault("steps", 12)
    keys.setdefault("shards", 3)
    return Plan(target=f"drivers.py:{name}", folder=str(HERE), **keys)


def told(report: Report) -> dict[str, Any]:
    """A report without what differs from run to run."""
    data = report.as_dict()
    del data["seconds"]
    data["plan"] = {name: value for name, value in data["plan"].items() if name != "shards"}
    return data


def timeless(result: Any) -> Any:
    """A shard's result without its times."""
    if isinstance(result, dict):
        return {name: timeless(value) for name, value in result.items() if name != "seconds"}
    return [timeless(one) for one in result] if isinstance(result, list) else result
