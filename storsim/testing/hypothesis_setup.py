"""What Hypothesis runs when it is imported: storsim's profiles, and strategies for storsim's types.

Registered as an entry point (group ``hypothesis``), so that nobody has to import anything: ``--hypothesis-profile
storsim-nightly`` and ``from_type(storsim.hdaudio.StreamFormat)`` work by themselves. Only the profiles are made at
once; the types are registered by name of their module, when that is there or is asked for.
"""

from __future__ import annotations

from typing import Any

PREFIX = "storsim-"


def setup() -> None:
    """Registers profiles and types. Light: no module of the simulator is imported."""
    register_profiles()
    register_types()


def register_profiles() -> None:
    """storsim-quick, -default, -nightly, -campaign, -replay. Hypothesis' own profiles stay as they are.

    quick: few test cases, the same ones every time, no database. default: Hypothesis' number, without deadline.
    nightly: thousands. campaign: thousands, no shrinking (the campaign shrinks the journals). replay: only what the
    database has.
    """
    from hypothesis import HealthCheck, Phase, settings

    relaxed: list[HealthCheck] = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    common: dict[str, Any] = {"deadline": None, "suppress_health_check": relaxed}
    no_explanation = [phase for phase in Phase if phase is not Phase.explain]
    profiles: dict[str, dict[str, Any]] = {
        "quick": {"max_examples": 30, "stateful_step_count": 30, "derandomize": True, "database": None},
        "default": {"max_examples": 100, "stateful_step_count": 40},
        "nightly": {"max_examples": 5000, "stateful_step_count": 80, "print_blob": True},
        "campaign": {"max_examples": 5000, "stateful_step_count": 80, "print_blob": True},
        "replay": {"stateful_step_count": 80},
    }
    phases = {"campaign": [Phase.explicit, Phase.reuse, Phase.generate], "replay": [Phase.explicit, Phase.reuse]}
    base = settings.get_profile("default")
    for name, values in profiles.items():
        chosen = common | {"phases": phases.get(name, no_explanation)} | values
        settings.register_profile(PREFIX + name, base, **chosen)


def register_types() -> None:
    """StreamFormat, MachineConfig, AdapterConfig, Transfer, StreamSpec, MemoryRange for ``from_type``."""
    from hypothesis import strategies as st
    from hypothesis.strategies import SearchStrategy

    def lazily(name: str) -> Any:
        def strategy(thing: Any) -> SearchStrategy[Any]:
            from storsim.testing import strategies

            return getattr(strategies, name)()  # type: ignore[no-any-return]

        return strategy

    for module, type_name, name in TYPES:
        from importlib import import_module

        st.register_type_strategy(getattr(import_module(module), type_name), lazily(name))


TYPES = (
    ("storsim.hdaudio", "HDAUDIO_STREAM_FORMAT", "stream_formats"),
    ("storsim.hdaudio", "HDAUDIO_CODEC_COMMAND", "verbs"),
    ("storsim.memory_range", "MemoryRange", "memory_ranges"),
    ("storsim.testing.specs", "MachineConfig", "machines"),
    ("storsim.testing.specs", "AdapterConfig", "adapters"),
    ("storsim.testing.specs", "Transfer", "transfers"),
    ("storsim.testing.specs", "StreamSpec", "streams"),
)
