"""The charts are read back from the page, as a reader would with a ruler."""

import base64
import io
import json
import math
import re
import statistics
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image

from bitgrove import report
from bitgrove.report import Study, StudyArm, StudyHistogram, StudyRun
from bitgrove.report._study_lines import STYLES, spread

HOSTILE = "</title><script>alert(1)</script>\u202e\" onload='x'"
EPOCHS = range(1, 13)


def ratio(seed, arm, layer, epoch):
    return 10 ** (-1.5 - arm - 0.1 * layer - 0.2 * epoch - 0.03 * seed)


def accuracy(seed, arm, epoch):
    return 0.9 - 0.1 * arm - 0.5 / epoch + 0.01 * seed


def make_run(seed, arm=0, *, layers=3):
    rng = np.random.default_rng(seed)
    return StudyRun(
        seed=seed,
        test_accuracy=0.85 - 0.1 * arm + 0.01 * seed,
        best_validation_accuracy=0.86 - 0.1 * arm + 0.01 * seed,
        seconds=90.0,
        curve=[{"epoch": e, "validation_accuracy": accuracy(seed, arm, e)} for e in EPOCHS],
        flips={
            e: {f"conv{k}": ratio(seed, arm, k, e) for k in range(layers)} for e in EPOCHS
        },
        histograms={
            e: {
                f"conv{k}": StudyHistogram(counts=rng.integers(0, 90, 20).tolist(), limit=1.5)
                for k in range(layers)
            }
            for e in EPOCHS
        },
    )  # fmt: skip


@pytest.fixture
def study():
    return Study(
        title="Three ways",
        what="Which is best?",
        arms=[
            StudyArm(name="Bop", runs=[make_run(s, 1) for s in range(3)], published=0.913),
            StudyArm(name="Latent", runs=[make_run(s, 0) for s in range(3)], paper="BNN, 2016"),
        ],
        notes=["A note."],
        command="bitgrove reproduce bop --seeds 3",
        environment={"Processor": "two cores"},
    )


class Checked(HTMLParser):
    """Refuses a tag that is closed out of turn; collects tags and text."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.text = [], [], ""
        self.feed(source)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in {"meta", "link"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data


def source_of(study, folder):
    source = report.write_study(study, folder / "report.html").read_text("utf-8")
    Checked(source)
    return source


def chart(source, key):
    return re.search(
        rf'<svg class="lines [^>]*aria-labelledby="{key}-title.*?</svg>', source, re.S
    )[0]


def ticks(panel, anchor, *, decades=False):
    at = {"middle": "x", "end": "y"}[anchor]
    found = []
    for x, y, text in re.findall(
        rf'<text x="([\d.]+)" y="([\d.]+)" text-anchor="{anchor}">([^<]+)', panel
    ):
        if text == "epoch":
            continue
        if decades:
            text = text.removeprefix("10").translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-"))
        found.append((float(x if at == "x" else y), float(text.removesuffix(" %"))))
    return found


def read(position, axis):
    (p0, v0), (p1, v1) = axis[0], axis[-1]
    return v0 + (position - p0) * (v1 - v0) / (p1 - p0)


def lines(panel, style, kind):
    found = []
    for group in re.findall(rf'<g class="{style}">.*?</g>', panel, re.S):
        found += re.findall(rf'class="{kind}" points="(.*?)"', group)
    return [[tuple(map(float, point.split(","))) for point in line.split()] for line in found]


def values(panel, style, kind="mean", *, decades=False):
    """What the lines of a method show: a list of (epoch, value) per line."""
    x_axis, y_axis = ticks(panel, "middle"), ticks(panel, "end", decades=decades)
    y_axis = [(at - 4.5, value) for at, value in y_axis]  # the words hang below their line
    return [
        [(read(x, x_axis), read(y, y_axis)) for x, y in line] for line in lines(panel, style, kind)
    ]


@pytest.mark.parametrize("arm", [0, 1])
def test_accuracy_lines_show_the_mean_and_every_seed(study, tmp_path, arm):
    panel = chart(source_of(study, tmp_path), "accuracy")
    ((*mean,),) = values(panel, f"s{arm}")
    seeds = values(panel, f"s{arm}", "seed")
    assert len(mean) == len(EPOCHS)
    assert len(seeds) == 3
    for i, epoch in enumerate(EPOCHS):
        expected = [100 * accuracy(s, 1 - arm, epoch) for s in range(3)]
        assert mean[i] == pytest.approx((epoch, statistics.fmean(expected)), abs=0.05)
        for seed in range(3):
            assert seeds[seed][i] == pytest.approx((epoch, expected[seed]), abs=0.05)


def test_the_band_runs_along_the_highest_and_back_along_the_lowest_seed(study, tmp_path):
    panel = chart(source_of(study, tmp_path), "accuracy")
    (band,) = values(panel, "s0", "band")
    high, low = band[: len(EPOCHS)], band[len(EPOCHS) :][::-1]
    for i, epoch in enumerate(EPOCHS):
        assert high[i] == pytest.approx((epoch, 100 * accuracy(2, 1, epoch)), abs=0.05)
        assert low[i] == pytest.approx((epoch, 100 * accuracy(0, 1, epoch)), abs=0.05)


def test_lines_fill_their_frame_and_stay_inside(study, tmp_path):
    source = source_of(study, tmp_path)
    for key in ("accuracy", "flips", "layers-0", "layers-1"):
        panel = chart(source, key)
        left, right, y0 = re.search(
            r'class="grid" x1="(\d+)" x2="(\d+)" y1="([\d.]+)"', panel
        ).groups()
        heights = [float(y) for y in re.findall(r'class="grid"[^>]* y1="([\d.]+)"', panel)]
        width, height = re.search(r'viewBox="0 0 (\d+) (\d+)"', panel).groups()
        assert float(y0) == max(heights) < float(height) - 30
        assert 0 < min(heights) < 40
        assert int(right) < int(width)
        found = re.findall(r'<poly[^>]*points="(.*?)"', panel)
        points = [tuple(map(float, p.split(","))) for line in found for p in line.split()]
        xs, ys = zip(*points, strict=True)
        assert (min(xs), max(xs)) == (int(left), int(right))
        assert min(heights) <= min(ys) < max(ys) <= max(heights)


# A letter of 13.5 px takes 8.6 px or less in the widest of the usual fonts, a bold one 9.4.
LETTER, BOLD = 8.6, 9.4
LONG = ("Bi-Real-18, from a real network", "Bi-Real-18, from scratch", "W" * 80)


def texts(panel):
    """Left end, right end and words of every text that stands beside the frame."""
    words = re.findall(r'<text x="([\d.]+)" y="[\d.]+" text-anchor="end">([^<]+)', panel)
    labels = re.findall(r'<text class="of" x="([\d.]+)" y="[\d.]+">([^<]+)', panel)
    return [(float(x) - LETTER * len(text), float(x), text) for x, text in words] + [
        (float(x), float(x) + BOLD * len(text), text) for x, text in labels
    ]


@pytest.mark.parametrize("epochs", [1, 12])
@pytest.mark.parametrize("value", [0.1948, 0.0, 1.0])
@pytest.mark.parametrize("names", [("Bop",), LONG], ids=["one", "long"])
def test_figures_and_names_beside_the_axes_are_not_cut_off(study, tmp_path, names, value, epochs):
    paths = [f"stages.{k}.0.conv.weight" for k in range(12)] + ["head." * 9 + "weight"]
    run = replace(
        make_run(0),
        test_accuracy=value,
        curve=[{"epoch": e, "validation_accuracy": value} for e in range(1, epochs + 1)],
        flips={e: dict.fromkeys(paths, 1e-12) for e in range(1, epochs + 1)},
    )
    arms = [StudyArm(name=name, runs=[run]) for name in names]
    source = source_of(replace(study, arms=arms), tmp_path)
    for key in ("accuracy", "flips", "layers-0"):
        panel = chart(source, key)
        width = float(re.search(r'viewBox="0 0 (\d+)', panel)[1])
        found = texts(panel)
        assert len(found) > 3
        for left, right, words in found:
            assert 0 <= left < right <= width, words


@pytest.mark.parametrize("value", [0.1948, 0.0, 1.0, 0.987654])
def test_the_axis_of_one_figure_spans_five_points_in_whole_percent(study, tmp_path, value):
    run = replace(
        make_run(0), test_accuracy=value, curve=[{"epoch": 1, "validation_accuracy": value}]
    )
    source = source_of(replace(study, arms=[StudyArm(name="Bop", runs=[run])]), tmp_path)
    panel = chart(source, "accuracy")
    axis = ticks(panel, "end")
    shown = [tick for _, tick in axis]
    assert 5 <= max(shown) - min(shown) <= 10
    assert 0 <= min(shown) <= 100 * value <= max(shown) <= 100
    assert "." not in "".join(re.findall(r"[\d.]+ %", panel))
    at = float(re.search(r'<circle cx="[\d.]+" cy="([\d.]+)"', panel)[1])
    assert read(at + 4.5, axis) == pytest.approx(100 * value, abs=0.01)
    low, high = (float(x) for x in re.search(r"Seeds, ([\d.]+)\s% to ([\d.]+)\s%", source).groups())
    assert 5 <= high - low <= 10
    dot = float(re.search(r'class="dot" cx="([\d.]+)%"', source)[1])
    assert low + dot / 100 * (high - low) == pytest.approx(100 * value, abs=0.01)


def test_names_of_methods_that_differ_late_stay_apart(study, tmp_path):
    arms = [StudyArm(name=name, runs=[make_run(0)]) for name in LONG]
    source = source_of(replace(study, arms=arms), tmp_path)
    for key in ("accuracy", "flips"):
        found = re.findall(r'class="of"[^>]*>([^<]+)<title>([^<]+)', chart(source, key))
        assert [title for _, title in found] == list(LONG)
        assert [label for label, _ in found][:2] == list(LONG[:2])


def test_layers_are_called_by_what_only_they_begin_with(study, tmp_path):
    paths = ["convolutions.0.conv.weight", "convolutions.1.conv.weight", "head.linear.weight"]
    one = StudyHistogram(counts=[1, 2], limit=1.5)
    run = replace(
        make_run(0),
        flips={e: dict.fromkeys(paths, 0.01) for e in EPOCHS},
        histograms={e: dict.fromkeys(paths, one) for e in EPOCHS},
    )
    source = source_of(replace(study, arms=[StudyArm(name="Bop", runs=[run])]), tmp_path)
    found = re.findall(r'class="of"[^>]*>([^<]+)<title>([^<]+)', chart(source, "layers-0"))
    assert found == [("convolutions.0", paths[0]), ("head", paths[-1])]
    strips = re.findall(r'<svg class="strip".*?<text class="of"[^>]*>([^<]+)', source, re.S)
    assert strips == ["convolutions.0", "convolutions.1", "head"]


def test_ticks_of_pressure_lie_where_its_values_do_and_are_explained(study, tmp_path):
    one = StudyHistogram(counts=[1, 2], limit=6.0, shown="pressure")
    run = replace(make_run(0), histograms={1: {"conv": one}})
    source = source_of(replace(study, arms=[StudyArm(name="Bop", runs=[run])]), tmp_path)
    strip = re.search(r'<svg class="strip".*?</svg>', source, re.S)[0]
    left, top, height = (
        float(re.search(rf'<rect [^>]*\b{name}="(\d+)"', strip)[1]) for name in ("x", "y", "height")
    )
    found = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="end">([^<e]+)<', strip)
    assert [text for *_, text in found] == ["10³", "1", "−1", "−10³"]
    for (x, y, text), p in zip(found, (1e3, 1, -1, -1e3), strict=True):
        value = math.copysign(math.log10(1 + 9 * abs(p)), p)
        assert float(y) - 4 == pytest.approx(top + height * (1 - value / 6) / 2, abs=0.06)
        assert 0 <= float(x) - 7.2 * len(text) < float(x) < left  # letters of 11 px
    words = re.sub(r"\s+", " ", Checked(source).text)
    assert "Above the line at 1 a bit that is +1 turns to −1" in words
    assert "Above the line" not in Checked(source_of(study, tmp_path)).text


@pytest.mark.parametrize("arm", [0, 1])
def test_flip_ratios_lie_on_an_axis_of_powers_of_ten(study, tmp_path, arm):
    panel = chart(source_of(study, tmp_path), "flips")
    ((*mean,),) = values(panel, f"s{arm}", decades=True)
    for (epoch, shown), true_epoch in zip(mean, EPOCHS, strict=True):
        expected = statistics.fmean(
            ratio(s, 1 - arm, k, true_epoch) for s in range(3) for k in range(3)
        )
        assert (epoch, shown) == pytest.approx((true_epoch, math.log10(expected)), abs=0.01)


def test_every_layer_has_a_line_on_axes_that_are_the_same_for_all_methods(study, tmp_path):
    source = source_of(study, tmp_path)
    panels = [chart(source, f"layers-{number}") for number in (0, 1)]
    assert ticks(panels[0], "end", decades=True) == ticks(panels[1], "end", decades=True)
    for arm, panel in enumerate(panels):
        for layer, style in enumerate(("layer l0", "layer l2", "layer l4")):
            ((*mean,),) = values(panel, style, decades=True)
            expected = statistics.fmean(ratio(s, 1 - arm, layer, 12) for s in range(3))
            assert mean[-1] == pytest.approx((12, math.log10(expected)), abs=0.02)


def test_an_epoch_without_a_flip_breaks_the_line(study, tmp_path):
    run = make_run(0, layers=1)
    flips = {**run.flips, 5: {"conv0": 0.0}, 7: {"conv0": 0.0}}
    arm = StudyArm(name="one", runs=[replace(run, flips=flips)])
    panel = chart(source_of(replace(study, arms=[arm]), tmp_path), "flips")
    assert [len(line) for line in values(panel, "s0", decades=True)] == [4, 5]
    assert len(re.findall(r"<circle", panel)) == 1  # epoch 6 stands alone
    assert not lines(panel, "s0", "seed")
    assert not lines(panel, "s0", "band")


def test_rows_are_ordered_by_the_mean_and_say_mean_and_spread(study, tmp_path):
    text = re.sub(r"\s+", " ", Checked(source_of(study, tmp_path)).text)
    results = text[text.index("Results") : text.index("Accuracy over")]
    assert results.index("Latent") < results.index("Bop")
    for value in ("86.0 ± 1.0 %", "76.0 ± 1.0 %", "87.0 ± 1.0 %", "seeds 0, 1 and 2", "90.0 s"):
        assert value in results
    assert "91.3 %" in results
    assert "here −15.3 points" in results


def test_dots_mean_and_published_figure_lie_where_they_belong(study, tmp_path):
    source = source_of(study, tmp_path)
    low, high = (float(x) for x in re.search(r"Seeds, ([\d.]+)\s% to ([\d.]+)\s%", source).groups())
    row = re.search(r'<tr role="row" class="s0">.*?</tr>', source, re.S)[0]

    def shown(pattern):
        return [low + float(at) / 100 * (high - low) for at in re.findall(pattern, row)]

    assert shown(r'class="dot" cx="([\d.]+)%"') == pytest.approx([75, 76, 77], abs=0.01)
    assert shown(r'class="tick" x1="([\d.]+)%"') == pytest.approx([76], abs=0.01)
    assert shown(r'<svg x="([\d.]+)%"') == pytest.approx([91.3], abs=0.01)


def test_strips_are_as_deep_as_the_root_of_the_share(study, tmp_path):
    source = source_of(study, tmp_path)
    uris = re.findall(r'<image href="data:image/png;base64,(.*?)"', source)
    assert len(uris) == 2 * 3
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(uris[4]))))  # Latent, conv1
    assert pixels.shape == (20, len(EPOCHS), 4)
    histograms = study.arms[1].runs[0].histograms
    shares = np.array([np.divide(c := histograms[e]["conv1"].counts, sum(c)) for e in EPOCHS])
    expected = np.sqrt(shares / shares.max()).T[::-1]  # the highest bin on top
    np.testing.assert_allclose(pixels[..., 3] / 255, expected, atol=0.003)
    assert expected.min() < 0.5


def test_long_runs_and_deep_networks_are_thinned_with_both_ends(study, tmp_path):
    one = StudyHistogram(counts=[1, 2], limit=3.0, shown="pressure")
    run = replace(
        make_run(0), histograms={e: {f"conv{k}": one for k in range(20)} for e in range(1, 1001)}
    )
    source = source_of(replace(study, arms=[StudyArm(name="one", runs=[run])]), tmp_path)
    uris = re.findall(r'<image href="data:image/png;base64,(.*?)"', source)
    assert Image.open(io.BytesIO(base64.b64decode(uris[0]))).width == 240
    assert len(uris) == 8
    assert "conv0<" in source
    assert "conv19<" in source
    assert "epoch 1,000" in source
    assert (
        "in units of the threshold, on a scale of powers of ten; seed 0; 8 of 20\xa0layers"
        in source
    )


def test_histograms_of_other_bins_in_one_layer_are_refused(study, tmp_path):
    run = make_run(0)
    histograms = {**run.histograms, 13: {"conv0": StudyHistogram(counts=[1], limit=1.5)}}
    arm = StudyArm(name="one", runs=[replace(run, histograms=histograms)])
    with pytest.raises(ValueError, match="'conv0' must have the same bins"):
        report.write_study(replace(study, arms=[arm]), tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


NAN = math.nan
ODD = {
    "no arms": [],
    "an arm without runs": [StudyArm(name="none", runs=[])],
    "figures only": [
        StudyArm(name="bare", runs=[replace(make_run(7), curve=[], flips={}, histograms={})])
    ],
    "one epoch": [StudyArm(name="one", runs=[replace(make_run(0), curve=make_run(0).curve[:1])])],
    "not finite": [
        StudyArm(
            name="unknown",
            published=0.9,
            runs=[
                replace(
                    make_run(0), test_accuracy=NAN, seconds=NAN,
                    curve=[{"epoch": 1, "validation_accuracy": NAN}, {"epoch": 2}],
                    flips={1: {"conv0": 0.0}, 2: {}},
                )
            ],
        )
    ],
    "equal figures": [StudyArm(name=n, runs=[make_run(0)]) for n in "abc"],
    "hostile": [
        StudyArm(name=HOSTILE, paper=HOSTILE, settings={HOSTILE: HOSTILE}, runs=[make_run(0)],
                 published=1.0, published_under=HOSTILE)
    ],
    "many": [StudyArm(name=f"method {i}", runs=[make_run(0)]) for i in range(23)],
}  # fmt: skip


@pytest.mark.parametrize("arms", ODD.values(), ids=ODD)
def test_odd_studies_give_whole_pages(study, tmp_path, arms):
    odd = replace(study, arms=arms, title=HOSTILE, environment={HOSTILE: HOSTILE})
    source = source_of(odd, tmp_path)
    page = Checked(source)
    assert "script" not in page.tags
    assert "\u202e" not in source
    assert "nan" not in re.sub(r"base64,[^\"]*", "", source).lower()


def test_names_of_close_lines_can_be_read(study, tmp_path):
    arms = [StudyArm(name=f"m{i}", runs=[make_run(0)]) for i in range(9)]
    panel = chart(source_of(replace(study, arms=arms), tmp_path), "accuracy")
    heights = sorted(float(y) for y in re.findall(r'class="of" x="[\d.]+" y="([\d.]+)"', panel))
    assert len(heights) == 9
    assert min(np.diff(heights)) >= 15


def test_labels_that_do_not_touch_stay_where_they_are_and_others_inside():
    assert spread([10, 50, 90], 0, 100) == [10, 50, 90]
    assert spread([99, 100], 0, 100) == [84, 100]
    assert spread([0, 1, 2], 0, 100) == [0, 16, 32]
    assert spread([50, 40], 0, 100) == [53, 37]
    assert spread([5] * 3, 0, 20) == [0, 10, 20]
    assert spread([], 0, 20) == []


def test_figures_lie_beside_the_page_with_null_for_what_is_not_finite(study, tmp_path):
    arm = StudyArm(name="nan", runs=[replace(make_run(0), test_accuracy=NAN)])
    path = report.write_study(replace(study, arms=[arm]), tmp_path / "new" / "page.html")
    found = json.loads((tmp_path / "new" / "page.json").read_text())
    assert path == tmp_path / "new" / "page.html"
    assert found["arms"][0]["runs"][0]["test_accuracy"] is None
    assert found["arms"][0]["runs"][0]["flips"]["12"]["conv2"] == ratio(0, 0, 2, 12)
    assert found["command"] == study.command


def test_a_page_that_would_be_its_own_figures_is_refused(study, tmp_path):
    with pytest.raises(ValueError, match=r"must be that of the page, such as report\.html"):
        report.write_study(study, tmp_path / "report.json")


CSS = (files("bitgrove.report") / "templates" / "study.css").read_text("utf-8")
PAGE = (files("bitgrove.report") / "templates" / "page.css").read_text("utf-8")


def luminance(colour):
    rgb = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_names_in_the_colour_of_their_line_stand_out(theme):
    ground = re.findall(r"--paper: (#\w+);", PAGE)[theme]
    colours = re.findall(r"--s\d: (#\w+);", CSS)[theme * STYLES : (theme + 1) * STYLES]
    assert len(set(colours)) == STYLES
    for colour in colours:
        dark, light = sorted((luminance(colour), luminance(ground)))
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_lines_differ_without_colour_too():
    dashes = [re.search(rf"^\.s{i} \{{(?:.*--d: ([\d ]+))?", CSS, re.M)[1] for i in range(STYLES)]
    assert len(set(dashes)) == STYLES
