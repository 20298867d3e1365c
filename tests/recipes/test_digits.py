import json

import numpy as np
import torch

from bitgrove import models, recipes, runtime


def test_the_digits_recipe_teaches_two_digits_and_reports_it(tmp_path):
    run = recipes.RECIPES["digits"](tmp_path / "run", epochs=8)
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["accuracy"][0]["accuracy"] > 0.8  # after 8 epochs; about 0.99 after 60
    teaching = results["teaching"]
    assert teaching["classes"] == ["8", "9"]
    assert teaching["examples"] == 20
    assert [row["accuracy"] for row in teaching["before"]][1] == 0
    assert teaching["after"][1]["accuracy"] > 0.4
    assert len(results["confusion"]["classes"]) == 10
    assert "equal one by one" in results["verification"]
    model = runtime.load(tmp_path / "run" / "model.grove").artifact
    assert model.examples.counts()["8"] == model.examples.counts()["9"] == 20
    assert results["size_bytes"]["total"] == run.model_path.stat().st_size
    assert (tmp_path / "run" / "report.html").stat().st_size > 20_000


def test_the_same_seed_gives_the_same_file(tmp_path):
    first, second = (
        recipes.RECIPES["digits"](tmp_path / name, epochs=1).model_path.read_bytes()
        for name in "ab"
    )
    assert first == second


def test_the_twin_of_a_network_has_its_shapes():
    binary, real = (models.create("birealnet_small", real=r) for r in (False, True))
    shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (binary, real)]
    assert shapes[0] == shapes[1]
    x = torch.zeros(1, 1, 8, 8)
    assert not np.array_equal(binary.eval()(x).detach(), real.eval()(x).detach())
