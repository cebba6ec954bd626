"""What all pictures share: the lazy import, colours, binary units, milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

MISSING = "pictures need matplotlib: pip install 'storsim[viz]'"
BLUE, ORANGE, GREEN, RED, SKY, YELLOW, PINK, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#F0E442", "#CC79A7", "#7F7F7F",
)  # fmt: skip
NODES = ("#DCE9F5", "#FBE8CF", "#DDF1E6", "#F4E1EC")
KINDS = {
    "pool": (BLUE, ""),
    "dma": (ORANGE, "//"),
    "contiguous": (YELLOW, "\\\\"),
    "hmb": (GREEN, "xx"),
    "mdl": (PINK, ""),
    "uncached": (RED, ".."),
    "device_extension": (SKY, ""),
    "hda_buffer": (ORANGE, "//"),
    "hda_bdl": (PINK, "\\\\"),
    "hda_ring": (GREEN, "xx"),
}
UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B"))


def pyplot() -> Any:
    """matplotlib.pyplot. Raises ImportError that names the extra."""
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise ImportError(MISSING) from error
    return plt


def axes(ax: Any, width: float = 9.0, height: float = 3.0) -> Any:
    """The axes to draw on: ax, or those of a new figure of this size in inches."""
    plt = pyplot()
    return plt.subplots(figsize=(width, height), layout="constrained")[1] if ax is None else ax


def colour_of(kind: str) -> tuple[str, str]:
    """Colour and hatch of a kind of allocation."""
    return KINDS.get(kind, (GREY, ""))


def unit(span: float) -> tuple[int, str]:
    """The binary unit in which a span of bytes reads well."""
    return next(((factor, name) for factor, name in UNITS if span >= 2 * factor), (1, "B"))


def amount(count: float) -> str:
    """Bytes as a short text: 64 KiB, 1.5 GiB."""
    factor, name = next(((factor, name) for factor, name in UNITS if count >= factor), (1, "B"))
    return f"{count / factor:.4g} {name}"


def milliseconds(ticks: float) -> float:
    """Ticks as milliseconds."""
    return ticks / 24_000


def legend_below(ax: Any, handles: Sequence[Any], columns: int = 5) -> None:
    """A legend in words under the picture, where it covers nothing."""
    if not handles:
        return
    from matplotlib.transforms import ScaledTranslation

    below = ScaledTranslation(0, -42 / 72, ax.get_figure().dpi_scale_trans)
    ax.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=ax.transAxes + below,
        ncols=min(columns, len(handles)),
        frameon=False,
        fontsize="small",
    )


def plain(ax: Any) -> None:
    """Takes away the frame's upper and right line."""
    ax.spines[["top", "right"]].set_visible(False)


def lanes(ax: Any, names: Sequence[str]) -> None:
    """Names lanes 0, 1, … from the top down."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    plain(ax)


def time_axis(ax: Any, start: int, end: int) -> None:
    """Virtual time from start to end, ticks."""
    ax.set_xlim(milliseconds(start), milliseconds(max(end, start + 1)))
    ax.set_xlabel("virtual time (ms)")
