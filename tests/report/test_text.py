import itertools
import math

import pytest

from bitgrove.report import _text as text
from bitgrove.report._ticks import nice_ticks, whole_ticks


@pytest.mark.parametrize("total", [10, 999, 1000, 1001, 20_000, 1_000_000])
def test_percent_never_rounds_an_error_or_a_success_away(total):
    assert text.percent(1.0) == "100\xa0%"
    assert text.percent(0.0) == "0\xa0%"
    for correct in (1, total - 1):
        value = float(text.percent(correct / total).removesuffix("\xa0%"))
        assert 0 < value < 100
        assert value == pytest.approx(100 * correct / total, abs=0.0501)


@pytest.mark.parametrize("value", [1.2345e-6, 0.0099999, 0.5, 9.996, 99.95, 999.9, 123456.0, 1e11])
@pytest.mark.parametrize("sign", [1, -1])
def test_significant_keeps_three_digits(value, sign):
    shown = text.significant(sign * value)
    assert "e" not in shown
    assert float(shown.replace(",", "").replace("−", "-")) == pytest.approx(sign * value, rel=5e-3)
    assert len(shown.lstrip("−0.").replace(",", "").replace(".", "")) >= 3


@pytest.mark.parametrize("value", [0, 1, 999, 1000, 1049, 999_499, 999_500, 10**9, 5 * 10**15])
def test_size_is_within_half_of_its_last_digit(value):
    number, unit = text.size(value).replace(",", "").split("\xa0")
    scale = {"bytes": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}[unit]
    assert float(number) * scale == pytest.approx(value, rel=5e-3)
    assert unit == "TB" or float(number) < 1000


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_figures_that_do_not_exist_are_a_dash(value):
    formats = (text.percent, text.points, text.significant, text.milliseconds, text.times)
    assert [f(value) for f in formats] == ["–"] * 5


@pytest.mark.parametrize("limit", [3, 4, 11, 18])
def test_shortened_names_fit(limit):
    for name in ("", "ab", "a" * limit, "a" * (limit + 1), "b" * 200):
        assert len(text.shorten(name, limit)) == min(len(name), limit)
        assert len(text.shorten_all([name, "c" * 50], limit)[0]) == min(len(name), limit)


@pytest.mark.parametrize(
    "names",
    [
        ["species 1 of the grove", "species 2 of the grove"],
        ["species of the grove 1", "species of the grove 2"],
        ["the oak of the grove 1", "the elm of the grove 1"],
    ],
)
def test_names_are_shortened_where_they_stay_apart(names):
    assert len(set(text.shorten_all(names, 10))) == 2


@pytest.mark.parametrize(("low", "high"), [(0, 2.3), (0, 1e-9), (0.43, 1), (-2, 7e6), (0, 0.1)])
def test_ticks_enclose_the_values_with_even_round_steps(low, high):
    ticks = nice_ticks(low, high, 5)
    steps = {round((b - a) / (ticks[1] - ticks[0]), 6) for a, b in itertools.pairwise(ticks)}
    assert ticks[0] <= low
    assert ticks[-1] >= high
    assert 2 <= len(ticks) <= 6
    assert steps == {1.0}
    assert f"{ticks[1] - ticks[0]:.6e}"[0] in "125"


@pytest.mark.parametrize("last", [1, 2, 3, 7, 20, 24, 100, 365, 1000])
def test_whole_ticks_are_few_and_show_both_ends(last):
    ticks = whole_ticks(1, last, 6)
    assert len(ticks) <= 8
    assert ticks == sorted(set(ticks))
    assert ticks[0] - 1 <= 0.1 * last
    assert last - ticks[-1] <= 0.15 * last
