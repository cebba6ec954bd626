"""Campaigns: a driver fuzzed for long, on one core or on a cluster (extra ``testing``; ``distributed`` for a cluster).

A `Plan` says what to run. Its budget is cut into rounds, each a run of Hypothesis with a seed of its own; a shard is
some of the rounds. `run_shard` is a pure function of plan and index, so shards run anywhere, in any order, twice if
need be; `merge` makes one `Report` of whatever rounds there are. `run` does it all, on any executor of
``concurrent.futures``.

    >>> from storsim.campaign import Plan, run_shard
    >>> Plan(target="mydriver.py:DriverMachine", programs=1000).hash
    '...'
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from storsim.campaign.merging import Report as Report
    from storsim.campaign.merging import merge as merge
    from storsim.campaign.plan import Plan as Plan
    from storsim.campaign.plan import PlanError as PlanError
    from storsim.campaign.plan import load_plan as load_plan
    from storsim.campaign.regression import no_findings as no_findings
    from storsim.campaign.regression import replay as replay
    from storsim.campaign.runner import CampaignError as CampaignError
    from storsim.campaign.runner import Progress as Progress
    from storsim.campaign.runner import run as run
    from storsim.campaign.shard import run_shard as run_shard

_HOMES = {
    "CampaignError": "runner",
    "Plan": "plan",
    "PlanError": "plan",
    "Progress": "runner",
    "Report": "merging",
    "load_plan": "plan",
    "merge": "merging",
    "no_findings": "regression",
    "replay": "regression",
    "run": "runner",
    "run_shard": "shard",
}

__all__ = [
    "CampaignError",
    "Plan",
    "PlanError",
    "Progress",
    "Report",
    "load_plan",
    "merge",
    "no_findings",
    "replay",
    "run",
    "run_shard",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'storsim.campaign' has no attribute {name!r}")
    value = getattr(import_module(f"storsim.campaign.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
