"""Every text stands out from its ground, in light and dark: WCAG 2.2, success criterion 1.4.3."""

import re
from importlib.resources import files

import pytest

CSS = (files("bitgrove.report") / "templates" / "page.css").read_text("utf-8")
ROOTS = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
THEMES = dict(zip(("light", "dark"), ROOTS, strict=True))


def colour(theme, name):
    value = re.search(rf"--{name}: (.*?);", THEMES[theme])[1]
    if value.startswith("#"):
        return [int(value[i : i + 2], 16) for i in (1, 3, 5)]
    return [int(part) for part in value.split()]


def luminance(rgb):
    linear = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a, b):
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_of_black_and_white_is_21():
    assert contrast([0, 0, 0], [255, 255, 255]) == pytest.approx(21)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("text", ["ink", "quiet", "main", "bad"])
@pytest.mark.parametrize("ground", ["paper", "track"])
def test_text_stands_out(theme, text, ground):
    assert contrast(colour(theme, text), colour(theme, ground)) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("part", ["main", "second", "third", "grey"])
def test_parts_of_charts_stand_out(theme, part):
    ground = colour(theme, "paper")
    assert contrast(colour(theme, part), ground) >= (2.4 if part == "second" else 3.0)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("kind", ["right", "wrong"])
@pytest.mark.parametrize("level", range(7))
def test_counts_stand_out_from_their_cell(theme, kind, level):
    alpha = float(re.search(rf"^(?:.*\s)?\.h{level} {{ --a: ([\d.]+)", CSS, re.MULTILINE)[1])
    paper, shade = colour(theme, "paper"), colour(theme, f"{kind}-rgb")
    ground = [alpha * s + (1 - alpha) * p for s, p in zip(shade, paper, strict=True)]
    assert contrast(colour(theme, "paper" if level >= 4 else "ink"), ground) >= 4.5
