import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from bitgrove import report

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """Every tag, attribute and text; refuses a tag that is closed out of turn."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.texts, self.style = [], [], [], [], ""
        self.feed(source)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.texts.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.texts))


def page(record, folder):
    path = report.write(record, folder)
    assert path == folder / "report.html"
    return Page(path.read_text("utf-8"))


def test_page_shows_every_figure(record, tmp_path):
    text = page(record, tmp_path).text
    expected = (
        "Handwritten digits",
        record.data,
        record.command,
        record.verification,
        *("1,078 images for training", "180 images for validation", "359 images for testing"),
        *("97.9 %", "281 / 287", "95.5 to 99.0 %", "99.0 %", "284 / 287", "float32 twin"),
        *("91.7 %", "Taught 8 and 9 from 20 examples each", "−0.3 points", "+91.7 points"),
        *("31,244 bytes", "14,680 bytes", "46,213 bytes", "452,108 bytes", "31.2 kB", "452 kB"),
        *("9.8 times smaller", "14.5 times smaller", "289 bytes"),
        *("0.421 ms", "0.402 ms to 0.455 ms", "1.31 ms", "1.21 ms to 1.62 ms"),
        *("3.1 times faster", "200 alternating runs", "1 thread"),
        *("chosen: epoch 17", "20 epochs", "accuracy 93.9 %", "loss 0.124"),
        *("cats/broken.png", "truncated at byte 512", "CPU", "two cores"),
        *("1.23", "2.47", "3.70", "86.4 %", "no picture", "✓", "✗"),
    )
    assert [figure for figure in expected if figure not in text] == []


def test_table_of_confusion_holds_every_count(record, tmp_path):
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 3, (10, 10)) * rng.integers(1000, 9999, (10, 10))
    source = report.write(replace(record, confusion=counts), tmp_path).read_text("utf-8")
    matrix = re.search(r'<table class="matrix.*?</table>', source, re.DOTALL)[0]
    body = matrix.partition("<tbody>")[2]
    rows = [re.findall(r"<td[^>]*>([\d,]*)</td>", row) for row in body.split("</tr>")[:-1]]
    shown = [[int(cell.replace(",", "") or 0) for cell in row] for row in rows]
    np.testing.assert_array_equal([row[:10] for row in shown], counts)
    assert (counts == 0).any()


@pytest.mark.parametrize("classes", [21, 100])
def test_heat_map_holds_a_cell_for_every_count_that_is_not_zero(record, tmp_path, classes):
    rng = np.random.default_rng(classes)
    counts = rng.integers(0, 2, (classes, classes)) * rng.integers(0, 50, (classes, classes))
    names = tuple(f"class {i}" for i in range(classes))
    changed = replace(record, confusion=counts, confusion_classes=names)
    source = report.write(changed, tmp_path).read_text("utf-8")
    assert '<table class="matrix' not in source
    found = {"right": set(), "wrong": set()}
    for kind, path in re.findall(r'<path class="(right|wrong) h\d" d="(.*?)"', source):
        found[kind] |= {(int(y), int(x)) for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", path)}
    cells = {tuple(cell) for cell in np.argwhere(counts).tolist()}
    assert found["right"] == {cell for cell in cells if cell[0] == cell[1]}
    assert found["wrong"] == {cell for cell in cells if cell[0] != cell[1]}


def test_ten_most_frequent_confusions_are_listed_in_order(record, tmp_path):
    rng = np.random.default_rng(2)
    counts = rng.permutation(30 * 30).reshape(30, 30)
    names = tuple(f"<{i}>" for i in range(30))
    shown = page(replace(record, confusion=counts, confusion_classes=names), tmp_path)
    pairs = re.findall(r"<(\d+)>\s+taken for\s+<(\d+)>\s+([\d,]+) of", shown.text)
    pairs = [(int(t), int(a), int(n.replace(",", ""))) for t, a, n in pairs]
    wrong = [(t, a, int(counts[t, a])) for t in range(30) for a in range(30) if t != a]
    assert pairs == sorted(wrong, key=lambda pair: -pair[2])[:10]


def test_page_refers_to_nothing_outside_itself(odd, tmp_path):
    parsed = page(odd, tmp_path)
    for tag, name, value in parsed.attributes:
        if name in ("src", "href", "srcset", "action", "data", "xlink:href", "poster"):
            assert value.startswith("data:"), (tag, name, value)
        assert not name.startswith("on"), (tag, name, value)
    assert not {"script", "iframe", "object", "embed", "base", "form"} & set(parsed.tags)
    assert "@import" not in parsed.style
    assert "url(" not in parsed.style
    policy = [v for t, n, v in parsed.attributes if t == "meta" and n == "content"]
    assert any("default-src 'none'" in value for value in policy)


def test_odd_records_give_whole_pages_without_words_of_python(odd, tmp_path):
    parsed = page(odd, tmp_path)
    visible = [parsed.text, *(value or "" for _, name, value in parsed.attributes if name != "src")]
    for text in visible:
        assert not re.search(r"\b(nan|inf|None|True|False|NaN|undefined)\b", text), text


def test_ids_are_unique_and_labels_point_at_them(odd, tmp_path):
    attributes = page(odd, tmp_path).attributes
    ids = [value for _, name, value in attributes if name == "id"]
    assert len(ids) == len(set(ids))
    for _, name, value in attributes:
        if name == "aria-labelledby":
            assert set(value.split()) <= set(ids)


def test_pictures_and_charts_say_what_they_show(record, tmp_path):
    source = report.write(record, tmp_path).read_text("utf-8")
    images = re.findall(r"<img [^>]*>", source)
    assert len(images) == 9  # three queries, two of three neighbours each
    assert all(re.search(r'alt="\w', image) for image in images)
    assert all(re.search(r'width="\d+" height="\d+"', image) for image in images)
    for chart in re.findall(r"<svg [^>]*>", source):
        assert "aria-label" in chart or 'aria-hidden="true"' in chart
    assert '<html lang="en">' in source


def test_hostile_names_stay_text(record, tmp_path):
    hostile = "<img src=x onerror=alert(1)> {{ 7 * 7 }} &amp;"
    changed = replace(record, title=hostile, data=hostile, skipped=((hostile, hostile),))
    parsed = page(changed, tmp_path)
    assert parsed.text.count(hostile) == 5  # head, heading, data, file, reason
    assert ("img", "src", "x") not in parsed.attributes


def test_wrong_answers_are_marked_in_words(record, tmp_path):
    text = page(record, tmp_path).text
    assert "3 test images, 1 of them answered wrongly" in text
    assert len(re.findall("✗ wrong", text)) == 1
    assert len(re.findall("✓ right", text)) == 2


def test_headline_is_the_accuracy_of_the_model_whose_confusion_is_shown(record, tmp_path):
    changed = replace(record, accuracy=record.accuracy[::-1])
    source = report.write(changed, tmp_path).read_text("utf-8")
    assert re.findall(r'class="figure-value[^"]*">([^<]*)<', source) == [
        "97.9\xa0%",
        "91.7\xa0%",
        "31.2\xa0kB",
        "0.421\xa0ms",
        "verified",
    ]


def test_what_is_slower_or_larger_is_said_so(record, tmp_path):
    latency = report.Latency(packed=(2.9, 3.0, 3.1), torch=(0.9, 1.0, 1.1), runs=9, threads=2)
    size = report.Size(network=500, examples=400, total=900, float32=450)
    text = page(replace(record, latency=latency, size=size), tmp_path).text
    assert "3.0 times slower than torch float32" in text
    assert "2.0 times as large as" in text


def test_files_beyond_a_thousand_are_counted_not_listed(record, tmp_path):
    skipped = tuple((f"f{i}.png", "cut short") for i in range(2500))
    text = page(replace(record, skipped=skipped), tmp_path).text
    assert "2,500 files could not be used" in text
    assert "f999.png" in text
    assert "f1000.png" not in text
    assert "1,500 files more in results.json" in text


def test_page_stays_small(record, tmp_path):
    queries = record.queries * 12
    assert report.write(replace(record, queries=queries), tmp_path).stat().st_size < 150_000


def test_same_record_gives_the_same_bytes(record, tmp_path):
    first = report.write(record, tmp_path / "a").read_bytes()
    assert report.write(record, tmp_path / "b").read_bytes() == first


def test_results_hold_the_figures(record, tmp_path):
    report.write(record, tmp_path)
    assert json.loads((tmp_path / "results.json").read_text("ascii")) == record.to_dict()


def test_results_are_json_for_every_odd_record(odd, tmp_path):
    def refuse(constant):
        raise AssertionError(constant)

    report.write(odd, tmp_path)
    text = (tmp_path / "results.json").read_text("ascii")
    results = json.loads(text, parse_constant=refuse)
    assert results["title"] == odd.title
    assert results["skipped"] == [list(item) for item in odd.skipped]


def test_figures_that_do_not_exist_are_null(record, tmp_path):
    latency = report.Latency(packed=(0.0, 0.0, 0.0), torch=(1.0, 1.0, 1.0), runs=1, threads=1)
    curve = ({"epoch": np.float32(1), "train_loss": np.float32("nan")},)
    report.write(replace(record, latency=latency, curve=curve), tmp_path)
    results = json.loads((tmp_path / "results.json").read_text("ascii"))
    assert results["latency_ms"]["speedup"] is None
    assert results["curve"] == [{"epoch": 1.0, "train_loss": None}]


def test_folder_is_made_and_nothing_else_is_left_in_it(record, tmp_path):
    folder = tmp_path / "runs" / "digits"
    for _ in range(2):
        report.write(record, folder)
        assert sorted(p.name for p in folder.iterdir()) == ["report.html", "results.json"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"confusion": np.zeros((3, 3), np.int64)}, "row and a column for each of the 10"),
        ({"size": report.Size(network=9, examples=9, total=10, float32=9)}, "at most the total"),
    ],
)
def test_contradicting_figures_are_refused_and_the_old_page_stays(
    record, tmp_path, change, message
):
    before = report.write(record, tmp_path).read_bytes()
    with pytest.raises(ValueError, match=message):
        report.write(replace(record, **change), tmp_path)
    assert (tmp_path / "report.html").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "results.json"]


def test_teaching_must_compare_the_same_images(record, tmp_path):
    teaching = record.teaching
    swapped = replace(record, teaching=replace(teaching, after=teaching.after[::-1]))
    with pytest.raises(ValueError, match="the same images in the same order"):
        report.write(swapped, tmp_path)
    shorter = replace(record, teaching=replace(teaching, after=teaching.after[1:]))
    with pytest.raises(ValueError, match="got 2 and 1"):
        report.write(shorter, tmp_path)


def test_missing_jinja2_is_explained(record, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(ModuleNotFoundError, match=r"the report needs 'jinja2'.*bitgrove\[train\]"):
        report.write(record, tmp_path)
