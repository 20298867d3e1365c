"""The figures of docs/high-dimensions.md.

python docs/figures/high_dimensions.py                draw both from high_dimensions.json
python docs/figures/high_dimensions.py --check        fail if the files differ from what is drawn
python docs/figures/high_dimensions.py --measure DIR  measure again first: DIR holds SIFT as
                                                      base.npy, query.npy, groundtruth.npy and
                                                      gt_dist.npy (1M rows, 10,000 queries)
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from _space import KISSING, centre_ball, log10_ball_in_cube
from matplotlib.axes import Axes
from matplotlib.figure import Figure

HERE = Path(__file__).resolve().parent
DATA = HERE / "high_dimensions.json"
SHADES = ("#1b9e77", "#d95f02", "#7570b3", "#222222")


def main() -> None:
    """Measure if asked, then draw or check."""
    if "--measure" in sys.argv:
        from _measure import measure

        measured = measure(Path(sys.argv[sys.argv.index("--measure") + 1]))
        DATA.write_text(json.dumps(measured, indent=1) + "\n")
    figures = json.loads(DATA.read_text())
    if "--check" not in sys.argv:
        figures["protocol"]["matplotlib"] = mpl.__version__  # others draw other bytes
        DATA.write_text(json.dumps(figures, indent=1) + "\n")
    stale = []
    for name, drawing in (("space", space(figures)), ("graph", graph(figures))):
        path = HERE / f"high-dimensions-{name}.svg"
        if "--check" not in sys.argv:
            path.write_bytes(drawing)
        elif not path.exists() or path.read_bytes() != drawing:
            stale.append(path.name)
    if stale:
        sys.exit(f"{', '.join(stale)} differ from high_dimensions.json: run {sys.argv[0]}")


def facts(figures: dict[str, Any]) -> dict[str, str]:
    """The measured figures that the text of the page repeats, as it writes them."""
    sets, sift = figures["sets"], figures["sift_dimension"]
    near = [mean for mean, _ in sift["mean_nearest_by_rows"].values()]
    told = {
        "EMPTY": f"{figures['empty_radius']['128']:.1f} half edges",
        "MLEIN": f"gives {sift['within_base']['20']:.0f}",
        "MLEQ": f"{sift['by_neighbours']['20']:.0f} from",
        "GROWTH": f"which gives {(len(near) - 1) * np.log(2) / np.log(near[-1] / near[0]):.0f}",
    }
    for name, place in (("2", "2"), ("16", "16"), ("128", "128")):
        told[f"C{place}"] = f"{sets[f'cube {name}']['contrast']:.1f} in"
    told["CSIFT"] = f"SIFT's contrast is {sets['sift']['contrast']:.1f}"
    for n in (16, 32, 128):
        told[f"D{n}"] = f"{sets[f'cube {n}']['dimension']:.0f} for"
    for key, letter in (("tree_share", "T"), ("graph_share", "G")):
        for name in ("cube 8", "cube 16", "sift"):
            told[f"{letter}{name.split()[-1].upper()}"] = f"{100 * sets[name][key]:.2g} %"
    told["G128"] = f"{100 * sets['cube 128']['graph_share']:.2g} %"
    told["DEGSIFT"] = f"{sets['sift']['degree']:.0f} on average"
    return told


def space(figures: dict[str, Any]) -> bytes:
    """What is odd about a cube of many dimensions."""
    figure = Figure(figsize=(12, 3.9), layout="constrained")
    ball, radii, spread = figure.subplots(1, 3)
    dims = np.arange(1, 129)
    ball.plot(dims, [log10_ball_in_cube(int(n)) for n in dims], color=SHADES[0])
    ball.set(
        title="How much of a cube its inscribed ball fills",
        xlabel="dimensions",
        ylabel="share of the volume",
        yticks=[0, -20, -40, -60, -80, -96],
        yticklabels=["1", *(f"$10^{{{e}}}$" for e in (-20, -40, -60, -80, -96))],
    )
    told = "\n".join(f"{n}: {10 ** log10_ball_in_cube(n):.2%}" for n in (2, 3, 5, 10))
    ball.text(
        0.95, 0.93, told + "\n128: $10^{-96}$", transform=ball.transAxes, ha="right", va="top"
    )

    wide = np.arange(1, 257)
    empty = {int(n): radius for n, radius in figures["empty_radius"].items()}
    radii.plot(wide, np.sqrt(wide), ":", color="grey", label="corner of the cube")
    radii.plot(wide, np.sqrt(wide / 3), color=SHADES[2], label="most points")
    radii.plot(
        list(empty), list(empty.values()), ".-", color=SHADES[1], label="nearest of 1,000,000"
    )
    radii.plot(wide, [centre_ball(int(n)) for n in wide], color=SHADES[0],
               label="ball amid the corner balls")  # fmt: skip
    radii.axhline(1, color="black", lw=0.8)
    radii.text(256, 0.93, "face of the cube", ha="right", va="top", fontsize=9)
    radii.set(
        title="Distance from the middle of a cube",
        xlabel="dimensions",
        ylabel="half edges",
        xscale="log",
        yscale="log",
        xticks=[1, 2, 4, 9, 16, 32, 64, 128, 256],
        yticks=[0.01, 0.1, 1, 10],
        ylim=(0.005, 20),
        xlim=(1, 256),
    )
    _plain(radii)
    radii.legend(fontsize=8.5, loc="lower right")

    steps = np.linspace(0, 2.5, 126)
    for name, label, shade in (
        ("cube 2", "even, 2 dimensions", SHADES[0]),
        ("cube 16", "even, 16", SHADES[1]),
        ("cube 128", "even, 128", SHADES[2]),
        ("sift", "SIFT, 128", SHADES[3]),
    ):
        held = figures["sets"][name]
        near = 1 / held["contrast"]
        spread.stairs(held["histogram"], steps, color=shade, label=label)
        spread.plot(near, -0.35, "^", color=shade, ms=6, clip_on=False)
    spread.set(
        title="Distances from a query to 50,000 rows",
        xlabel="distance over the mean (triangles: the nearest)",
        ylabel="density",
        xlim=(0, 2.0),
        ylim=(-0.7, None),
    )
    spread.legend(fontsize=8.5, loc="upper left")
    return _svg(figure)


def graph(figures: dict[str, Any]) -> bytes:
    """What the occlusion rule and the walk make of it."""
    figure = Figure(figsize=(12, 3.9), layout="constrained")
    degree, dimension, share = figure.subplots(1, 3)
    cubes = {int(name.split()[1]): held for name, held in figures["sets"].items() if "cube" in name}
    sift = figures["sets"]["sift"]
    degree.plot(list(KISSING), list(KISSING.values()), "x", color="grey",
                label="most possible (kissing number)")  # fmt: skip
    degree.plot(list(cubes), [held["degree"] for held in cubes.values()], "o-", color=SHADES[0],
                label="even rows, mean")  # fmt: skip
    degree.axhline(sift["degree"], color=SHADES[3], lw=1)
    degree.text(2, sift["degree"] * 1.12, f"SIFT: {sift['degree']:.0f}", fontsize=9)
    degree.set(
        title="Edges that the occlusion rule leaves",
        xlabel="dimensions",
        ylabel="edges of a row",
        xscale="log",
        yscale="log",
        xticks=[2, 4, 8, 16, 32, 64, 128],
        yticks=[1, 10, 100, 1000],
        ylim=(1, 1000),
    )
    _plain(degree)
    degree.legend(fontsize=8.5, loc="upper left")

    growth = figures["sift_dimension"]["mean_nearest_by_rows"]
    counts = np.array([int(n) for n in growth], float)
    nearest = np.array([mean for mean, _ in growth.values()])
    dimension.plot(counts, nearest / nearest[0], "o-", color=SHADES[3], label="SIFT")
    for n, shade in ((8, SHADES[0]), (16, SHADES[1]), (32, SHADES[2])):
        dimension.plot(counts, (counts / counts[0]) ** (-1 / n), "--", color=shade, lw=1,
                       label=f"{n} dimensions")  # fmt: skip
    dimension.set(
        title="Distance to the nearest row",
        xlabel="rows",
        ylabel="as a multiple of that among 1,000,000",
        xscale="log",
        xticks=counts,
    )
    dimension.set_xticks(counts, [f"{n / 1e6:g}M" for n in counts])
    dimension.minorticks_off()
    dimension.legend(fontsize=8.5)

    for key, label, shade in (
        ("tree_share", "k-d tree, exact", SHADES[1]),
        ("graph_share", f"graph, recall {figures['protocol']['recall']}", SHADES[0]),
    ):
        share.plot(
            list(cubes), [held[key] for held in cubes.values()], "o-", color=shade, label=label
        )
        share.axhline(sift[key], color=shade, lw=1, ls=":")
        below = key == "tree_share"
        place, side = sift[key] * (0.93 if below else 1.1), "top" if below else "bottom"
        share.text(2, place, f"SIFT: {100 * sift[key]:.2g} %", color=shade, fontsize=9, va=side)
    share.set(
        title="Share of 50,000 rows compared",
        xlabel="dimensions of even rows",
        ylabel="share",
        xscale="log",
        yscale="log",
        xticks=[2, 4, 8, 16, 32, 64, 128],
        yticks=[1e-3, 1e-2, 1e-1, 1],
    )
    _plain(share)
    share.set_yticks([1e-3, 1e-2, 1e-1, 1], ["0.1 %", "1 %", "10 %", "100 %"])
    share.legend(fontsize=8.5, loc="lower right")
    return _svg(figure)


def _plain(axis: Axes) -> None:
    """Numbers in place of powers of ten, and no small ticks."""
    axis.minorticks_off()
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_formatter(lambda value, _: f"{value:g}")


def _svg(figure: Figure) -> bytes:
    """The same bytes each time."""
    file = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "bitgrove", "svg.fonttype": "path"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()


if __name__ == "__main__":
    main()
