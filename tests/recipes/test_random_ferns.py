import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from bitgrove import recipes
from bitgrove.recipes import random_ferns
from bitgrove.recipes.random_ferns import _rivals, recipe

SMALL = {"arm": ["digits"], "trees": 12, "sizes": ((30, 6),)}


def test_digits_are_compared_and_the_figures_kept(tmp_path, capsys):
    run = recipes.RECIPES["random-ferns"]
    results = run(tmp_path, seeds=2, **SMALL)
    assert json.loads((tmp_path / "results.json").read_text()) == results
    names = ["random-forest-12", "extra-trees-12", "ferns-thresholds-30x6", "ferns-pairs-30x6"]
    for outcome in results["outcomes"]:
        assert list(outcome["solvers"]) == names
        for row in outcome["solvers"].values():
            assert row["test_accuracy"] > 0.85
            assert row["rows_per_second"] > 1000
        rival = outcome["solvers"]["ferns-pairs-30x6"]["forest_as_accurate"]
        assert 1 <= rival["trees"] <= 12
    figures = tomllib.loads((tmp_path / "expected.toml").read_text())
    assert len(figures["digits"]["ferns-pairs-30x6"]["test_accuracy"]) == 2
    assert capsys.readouterr().out.count("| digits |") == 4
    with pytest.raises(ValueError, match="--overwrite replaces it"):
        run(tmp_path, seeds=2, **SMALL)
    assert run(tmp_path, seeds=2, resume=True, **SMALL)["outcomes"] == results["outcomes"]
    with pytest.raises(ValueError, match="made with other settings"):
        run(tmp_path, seeds=2, resume=True, **SMALL | {"trees": 3})


def test_the_forest_as_accurate_has_the_fewest_trees_that_do():
    parts = recipe._parts("digits")
    forest = next(iter(_rivals.fit_forests(parts, 0, 12)))
    ferns = next(iter(_rivals.fit_ferns(parts, 0, ((30, 6),))))
    found = _rivals.as_accurate(forest, ferns, parts)
    assert found is not None
    count = found.chosen["trees"]
    assert found.solver.score(*parts.validation) == found.validation >= ferns.validation
    for fewer in range(1, count):
        votes = sum(
            tree.predict_proba(parts.validation.x.astype(np.float32))
            for tree in forest.solver.estimators_[:fewer]
        )
        assert (votes.argmax(1) == parts.validation.y).mean() < ferns.validation


def test_the_page_names_the_command_and_holds_the_figures():
    folder = Path(random_ferns.__file__).parent
    text = (folder / "README.md").read_text()
    assert "bitgrove reproduce random-ferns" in text
    figures = tomllib.loads((folder / "expected.toml").read_text())
    assert figures["protocol"]["seeds"] == [0, 1, 2]
    for dataset in recipe.DATASETS:
        for row in figures[dataset].values():
            assert len(row["test_accuracy"]) == 3
