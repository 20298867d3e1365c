"""``bitgrove hash`` as a person types it."""

import json

import numpy as np
import pytest

from bitgrove import data, hashing, metrics
from bitgrove.cli._app import run
from bitgrove.search import Flat


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(230) % 3
    rows = (rng.normal(size=(230, 8)) + 2 * labels[:, None]).astype(np.float32)
    np.savez(tmp_path / "base.npz", features=rows[:200], labels=labels[:200])
    np.savez(tmp_path / "query.npz", features=rows[200:], labels=labels[200:])
    np.save(tmp_path / "base.npy", rows[:200])
    np.save(tmp_path / "query.npy", rows[200:])
    return tmp_path, rows, labels


def learnt(folder, *words):
    out = folder / "e.bgh"
    assert run(["hash", "fit", str(folder / "base.npz"), "--out", str(out), *words]) == 0
    return out


def said(capsys):
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ([], "ITQ"),
        (["--method", "pcah", "--bits", "5"], "PCAH"),
        (["--method", "lsh", "--bits", "12", "--seed", "4", "--set", "centred=false"], "LSH"),
        (["--method", "lsh", "--bits", "12", "--set", "centred=False"], "LSH"),
        (["--method", "cca-itq", "--bits", "4"], "CCAITQ"),
    ],
)
def test_fit_then_encode_gives_the_codes_of_the_same_estimator(files, capsys, words, name):
    folder, rows, labels = files
    words = words or ["--bits", "6", "--set", "iterations=7"]
    encoder = learnt(folder, *words)
    assert f"{encoder}: {name}, " in said(capsys)
    out = folder / "codes.npy"
    assert run(["hash", "encode", str(encoder), str(folder / "query.npy"), "--out", str(out)]) == 0
    loaded = hashing.load(encoder)
    assert said(capsys).startswith(f"{out}: 30 codes of {loaded.bits} bits")
    again = type(loaded)(**loaded.get_params()).fit(rows[:200], labels[:200])
    np.testing.assert_array_equal(np.load(out), again.encode(rows[200:]))


def test_evaluate_counts_what_the_metrics_count(files, capsys):
    folder, rows, labels = files
    encoder = learnt(folder, "--bits", "6")
    said(capsys)
    words = [str(encoder), str(folder / "base.npz"), "--queries", str(folder / "query.npz")]
    assert run(["hash", "evaluate", *words, "--json"]) == 0
    found = json.loads(said(capsys))
    loaded = hashing.load(encoder)
    codes = loaded.encode(rows[200:]), loaded.encode(rows[:200])
    truth = metrics.Relevance.from_labels(labels[200:], labels[:200])
    assert found["map"] == pytest.approx(metrics.mean_average_precision(*codes, truth))
    near = metrics.precision_within_radius(*codes, truth)
    assert found["precision_within_2"] == pytest.approx(near.precision)
    assert found["empty_balls"] == pytest.approx(near.empty)
    assert found["map_pessimistic"] <= found["map"] <= found["map_optimistic"]
    assert (found["queries"], found["database"], found["bits"]) == (30, 200, 6)
    assert run(["hash", "evaluate", *words]) == 0
    table = said(capsys)
    assert f"mAP               {found['map']:.4f}" in table
    assert "right is          the same label" in table


def test_evaluate_by_euclidean_neighbours_needs_no_labels(files, capsys):
    folder, rows, _ = files
    encoder = learnt(folder, "--bits", "6")
    said(capsys)
    words = [str(encoder), str(folder / "base.npy"), "--queries", str(folder / "query.npy")]
    assert run(["hash", "evaluate", *words, "--neighbours", "9", "--json"]) == 0
    found = json.loads(said(capsys))
    index = Flat(8)
    index.add(rows[:200])
    truth = metrics.Relevance.from_neighbours(index.search(rows[200:], 9).ids)
    loaded = hashing.load(encoder)
    expected = metrics.mean_average_precision(
        loaded.encode(rows[200:]), loaded.encode(rows[:200]), truth
    )
    assert found["map"] == pytest.approx(expected)
    assert found["truth"] == "the 9 nearest rows by Euclidean distance"


def test_a_protocol_splits_learns_and_scores(tmp_path, capsys):
    out = tmp_path / "e.bgh"
    words = ["digits", "--protocol", "uh-bdnn"]
    assert run(["hash", "fit", *words, "--out", str(out), "--bits", "8"]) == 0
    assert "learnt from 1,438 rows" in said(capsys)
    assert run(["hash", "evaluate", str(out), *words, "--json"]) == 0
    found = json.loads(said(capsys))
    assert (found["queries"], found["database"], found["protocol"]) == (359, 1438, "uh-bdnn")
    parts = data.load_features("digits")
    assert parts.test is not None
    table = metrics.protocol("uh-bdnn")
    truth = table.ground_truth(parts.test.rows, parts.train.rows)
    loaded = hashing.load(out)
    scores = table.evaluate(loaded.encode(parts.test.rows), loaded.encode(parts.train.rows), truth)
    assert found["map"] == pytest.approx(scores.mean_average_precision)
    assert run(["hash", "evaluate", str(out), *words]) == 0
    assert "not read in a primary source: that the neighbours are 50" in said(capsys)


def test_few_rows_are_scored_without_those_that_would_choose_settings(tmp_path, capsys):
    rows = np.random.default_rng(0).normal(size=(90, 6)).astype(np.float32)
    np.save(tmp_path / "a.npy", rows[:80])
    np.save(tmp_path / "q.npy", rows[80:])
    out, source, asked = (str(tmp_path / name) for name in ("e.bgh", "a.npy", "q.npy"))
    words = ["--queries", asked, "--protocol", "uh-bdnn"]
    assert run(["hash", "fit", source, "--out", out, "--bits", "5"]) == 0
    said(capsys)
    assert run(["hash", "evaluate", out, source, "--json", *words]) == 0
    found = json.loads(said(capsys))
    assert (found["queries"], found["database"]) == (10, 80)


def test_a_protocol_that_draws_its_queries_needs_no_test_part(tmp_path, capsys):
    labels = np.repeat(np.arange(2), 700)
    rows = np.random.default_rng(0).normal(size=(1400, 6)) + labels[:, None]
    np.savez(tmp_path / "a.npz", X=rows, y=labels)
    out, source = tmp_path / "e.bgh", str(tmp_path / "a.npz")
    protocol = ["--protocol", "cifar10-1", "--seed", "3"]
    assert run(["hash", "fit", source, "--out", str(out), "--bits", "5", *protocol]) == 0
    assert "learnt from 1,000 rows" in said(capsys)
    assert run(["hash", "evaluate", str(out), source, "--json", *protocol]) == 0
    found = json.loads(said(capsys))
    assert (found["queries"], found["database"]) == (200, 1200)
    words = ["hash", "evaluate", str(out), source, "--queries", source, *protocol]
    assert run(words) == 1
    assert "draws its queries from all rows: leave out --queries" in capsys.readouterr().err
    assert run(["hash", "evaluate", str(out), source, "--protocol", "uh-bdnn"]) == 1
    assert "has queries set apart from the database: give --queries" in capsys.readouterr().err
    assert run(["hash", "evaluate", str(out), source, "--protocol", "no"]) == 1
    assert "there is no protocol 'no'" in capsys.readouterr().err


def test_blocks_are_ranked_by_real_queries_as_their_protocol_says(files, capsys):
    folder, rows, labels = files
    encoder = learnt(folder, "--method", "subic", "--bits", "6", "--set", "width=4")
    loaded = hashing.load(encoder)
    said(capsys)
    words = [str(encoder), str(folder / "base.npz"), "--queries", str(folder / "query.npz")]
    assert run(["hash", "evaluate", *words, "--protocol", "subic", "--json"]) == 0
    found = json.loads(said(capsys))
    asked = loaded.decision_function(rows[200:])
    entries = asked.reshape(30, 3, 4).argmax(2)  # the queries are the database
    scores = np.array(
        [[sum(q[4 * b + e[b]] for b in range(3)) for e in entries] for q in asked.astype("f4")]
    )
    truth = metrics.Relevance.from_labels(labels[200:], labels[200:])
    options = {"ap": "interp21", "higher_is_better": True}
    for ties in ("optimistic", "pessimistic"):
        value = metrics.average_precision_of_scores(scores, truth, ties=ties, **options)
        assert found[f"map_{ties}"] == pytest.approx(value)
    assert found["map_pessimistic"] < found["map_sampled"]["mean"] < found["map_optimistic"]
    assert found["map_sampled"]["orders"] == 32
    assert (found["map"], found["precision_within_2"], found["empty_balls"]) == (None, None, None)
    assert (found["queries"], found["database"]) == (30, 30)
    assert run(["hash", "evaluate", *words, "--protocol", "subic"]) == 0
    table = said(capsys)
    assert "mean over 32 random orders" in table
    assert "ranked by         real-valued queries against codes" in table
    assert "empty balls" not in table
    assert run(["hash", "evaluate", *words, "--json"]) == 0  # no protocol, but blocks
    found = json.loads(said(capsys))
    scores = next(loaded.index(loaded.encode(rows[:200])).scores(asked.astype("f4")))
    truth = metrics.Relevance.from_labels(labels[200:], labels[:200])
    value = metrics.average_precision_of_scores(scores, truth, higher_is_better=True)
    assert found["map"] == pytest.approx(value)
    other = learnt(folder, "--bits", "6")
    assert run(["hash", "evaluate", str(other), *words[1:], "--protocol", "subic"]) == 1
    assert "which ITQ does not make: learn with --method subic" in capsys.readouterr().err
    narrow = folder / "narrow.npz"
    np.savez(narrow, features=rows[200:, :5], labels=labels[200:])
    words = [str(encoder), str(folder / "base.npz"), "--queries", str(narrow)]
    assert run(["hash", "evaluate", *words]) == 1
    assert "5 features" in capsys.readouterr().err


def test_the_parts_of_pictures_can_be_encoded_apart(tmp_path, capsys):
    out, codes = tmp_path / "e.bgh", tmp_path / "c.npy"
    assert run(["hash", "fit", "digits", "--out", str(out), "--bits", "8"]) == 0
    for part, count in (("train", 1438), ("test", 359), ("all", 1797)):
        words = ["hash", "encode", str(out), "digits", "--out", str(codes), "--part", part]
        assert run(words) == 0
        assert np.load(codes).shape == (count, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit", "BASE", "--out", "OUT", "--method", "itk"], "did you mean itq?"),
        (["fit", "BASE", "--out", "OUT", "--set", "x=1"], "itq has no setting 'x'; it has iter"),
        (["fit", "BASE", "--out", "OUT", "--set", "iterations"], "--set takes NAME=VALUE"),
        (["fit", "BASE", "--out", "OUT", "--bits", "4", "--set", "iterations=many"], "iterations"),
        (["fit", "BASE", "--out", "OUT", "--bits", "60"], "bits"),
        (["fit", "PLAIN", "--out", "OUT", "--method", "cca-itq"], "learns from labels"),
        (["fit", "NONE", "--out", "OUT"], "there is no file"),
        (["fit", "EMPTY", "--out", "OUT"], "EMPTY"),
        (["fit", "BAD", "--out", "OUT"], "row 7 holds NaN"),
        (["fit", "BASE", "--out", "NO/OUT"], "no such folder"),
        (
            ["encode", "BASE", "BASE", "--out", "OUT.npy"],
            "expected a file that 'bitgrove hash",
        ),
        (["encode", "ENCODER", "BASE", "--out", "OUT.txt"], "--out must end with .npy"),
        (["encode", "ENCODER", "BASE", "--out", "OUT.npy", "--part", "test"], "is not divided"),
        (["encode", "ENCODER", "WIDE", "--out", "OUT.npy"], "rows of 9 features, the encoder"),
        (["evaluate", "ENCODER", "BASE"], "nobody asks: give --queries"),
        (["evaluate", "ENCODER", "PLAIN", "--queries", "PLAIN"], "give --labels and"),
        (["evaluate", "ENCODER", "BASE", "--queries", "WIDE"], "the queries have 9 features"),
        (["evaluate", "ENCODER", "BASE", "--query-labels", "BASE"], "which are not given"),
        (
            ["evaluate", "ENCODER", "BASE", "--queries", "BASE", "--neighbours", "201"],
            "must be at most 200",
        ),
    ],
)
def test_mistakes_are_explained_in_one_line(files, capsys, monkeypatch, words, message):
    folder, rows, _ = files
    monkeypatch.chdir(folder)
    learnt(folder, "--bits", "6").rename(folder / "ENCODER")
    (folder / "EMPTY").mkdir()
    bad = rows.copy()
    bad[7, 3] = np.nan
    np.save(folder / "bad.npy", bad)
    np.save(folder / "wide.npy", np.zeros((5, 9)))
    names = {"BASE": "base.npz", "PLAIN": "base.npy", "BAD": "bad.npy", "WIDE": "wide.npy"}
    names["NONE"] = "none.npy"
    capsys.readouterr()
    assert run(["hash", *(names.get(word, word) for word in words)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (folder / "OUT").exists()


def test_wrong_usage_is_told_apart(capsys):
    assert run(["hash", "fit", "digits", "--out", "x", "--bits", "0"]) == 2
    assert run(["hash", "evaluate"]) == 2
