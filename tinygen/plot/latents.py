"""The KL divergence of each latent, largest first: how many latents a VAE uses."""

from collections.abc import Mapping

import numpy as np
from matplotlib.ticker import MaxNLocator

from tinygen.plot.canvas import INK, PALETTE, TEXT, Picture
from tinygen.plot.panels import panels


def unit_bars(
    kls: Mapping[str, np.ndarray],
    *,
    active: Mapping[str, np.ndarray] | None = None,
    title: str = "",
    width: int = 640,
) -> Picture:
    """Bars of the KL of each latent, from the largest to the smallest, in one panel for each model.

    Args:
        kls: from names of models to the KL of each latent, (K,) nats: `evaluate.latents.unit_kl(mu, log_var)`.
        active: from the same names to which latents are active, (K,): `evaluate.latents.active_units(mu)`. Bars of the
            others are grey, and each panel says how many are active.
        title: a text above the panels.
        width: width in pixels.

    Returns a `Picture`. Raises ValueError for no models, arrays of other shapes, or missing names.

    >>> from tinygen import plot
    >>> plot.unit_bars({"beta = 1": np.array([3.0, 0.0, 1.5])}, active={"beta = 1": np.array([True, False, True])})
    <Picture ...>
    """
    if not kls:
        raise ValueError("unit_bars: expected at least one model, got none")
    bars = {name: np.asarray(kl, np.float64) for name, kl in kls.items()}
    used = {name: np.ones(kl.shape, bool) for name, kl in bars.items()} if active is None else active
    for name, kl in bars.items():
        if kl.ndim != 1 or not np.isfinite(kl).all() or name not in used or np.shape(used[name]) != kl.shape:
            raise ValueError(f"unit_bars: expected finite numbers (K,) and {name!r} in active, got shape {kl.shape}")
    columns = min(len(bars), 3)
    rows = -(-len(bars) // columns)
    ylabel = ["KL, nats per image" if i % columns == 0 else "" for i in range(len(bars))]
    picture, places = panels(
        *bars,
        xlabel="latent, by its KL",
        ylabel=ylabel,
        title=title,
        columns=columns,
        width=width,
        height=40 + 300 * rows,
    )
    top = 1.15 * max(max(kl.max(initial=0) for kl in bars.values()), 0.1)
    for axes, (name, kl) in zip(places, bars.items()):
        order = np.argsort(-kl, kind="stable")
        shown = np.asarray(used[name], bool)[order]
        place = np.arange(1, len(kl) + 1)
        axes.bar(place[shown], kl[order][shown], color=PALETTE[0], width=0.8)
        axes.bar(place[~shown], np.maximum(kl[order][~shown], 0.02 * top), color="#b0b0b0", width=0.8)
        axes.set(ylim=(0, top), xlim=(0.3, len(kl) + 0.7))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if active is not None:
            text = f"{shown.sum()} of {len(kl)} active"
            axes.text(0.98, 0.96, text, transform=axes.transAxes, ha="right", va="top", color=INK, size=TEXT - 1)
    return picture
