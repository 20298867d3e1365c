"""Every term of the objectives against explicit loops, every gradient against autograd."""

import numpy as np
import pytest
import torch

from bitgrove.hashing._bdnn_network import Layout, hidden_sizes, real_codes, stacked_eigenvectors
from bitgrove.hashing._bdnn_problems import Autoencoding, PairKeeping
from bitgrove.hashing._bdnn_terms import similarity_term
from bitgrove.hashing._bdnn_weights import PAPER_SUPERVISED, BDNNWeights
from bitgrove.hashing._pairs import SamePairs

WEIGHTS = BDNNWeights(decay=0.3, equality=0.7, independence=1.1, balance=0.05, similarity=0.9)
N, D, HIDDEN, BITS = 13, 6, (5, 4), 3


def signs(n=N, bits=BITS, seed=5):
    return np.where(np.random.default_rng(seed).random((n, bits)) < 0.5, -1.0, 1.0)


@pytest.fixture
def rows():
    x = np.random.default_rng(0).random((N, D))
    x[3:, 1] = x[:6, 4] = 0  # rare ones
    x[:, 2] = 0  # a feature that is never used
    return x


@pytest.fixture(params=["dense", "sparse"], autouse=True)
def storage(request, monkeypatch):
    """Most features as they are, or some of them as a list of their values."""
    if request.param == "sparse":
        monkeypatch.setattr("bitgrove.hashing._few_zeros._RARE", 0.7)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def codes_by_loops(x, layers):
    found = []
    for row in x:
        value = row
        for number, (w, c) in enumerate(layers):
            value = np.array([sum(a * b for a, b in zip(line, value, strict=True)) for line in w])
            value = value + c
            value = sigmoid(value) if number < 2 else value
        found.append(value)
    return np.array(found)


def common_by_loops(h, b, layers):
    """Oracle: the terms of both objectives, element by element; columns of H are samples."""
    n, bits = h.shape
    decay = sum(v * v for w, _ in layers for v in w.ravel()) * WEIGHTS.decay / 2
    equality = sum((h[i, k] - b[i, k]) ** 2 for i in range(n) for k in range(bits))
    independence = sum(
        (sum(h[i, j] * h[i, k] for i in range(n)) / n - (j == k)) ** 2
        for j in range(bits)
        for k in range(bits)
    )
    balance = sum(sum(h[i, k] for i in range(n)) ** 2 for k in range(bits))
    return {
        "decay": decay,
        "equality": equality * WEIGHTS.equality / (2 * n),
        "independence": independence * WEIGHTS.independence / 2,
        "balance": balance * WEIGHTS.balance / (2 * n),
    }


def similarity_by_loops(h, alike):
    n, bits = h.shape
    return sum(
        (sum(h[i] * h[j]) / bits - (1 if alike(i, j) else -1)) ** 2
        for i in range(n)
        for j in range(n)
    ) / (2 * n)


def autoencoding(rows, precision="float64", **options):
    options = {"sweeps": 10, "from_zeros": False} | options
    problem = Autoencoding(rows, (*HIDDEN, BITS), WEIGHTS, precision, **options)
    problem.set_signs(torch.from_numpy(signs()))
    return problem


def pair_keeping(rows, labels):
    problem = PairKeeping(rows, (*HIDDEN, BITS), WEIGHTS, "float64", pairs=SamePairs(labels))
    problem.set_signs(torch.from_numpy(signs()))
    return problem


def some_point(problem, seed=1):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=problem.layout.length))


def full_layers(problem, vector):
    parts = [(w.numpy().copy(), c.numpy().copy()) for w, c in problem.layout.parts(vector)]
    wide = np.zeros((HIDDEN[0], D))
    wide[:, problem.encoder.used] = parts[0][0]
    parts[0] = wide, parts[0][1]
    return parts


def test_terms_of_uh_bdnn_are_those_of_their_definitions(rows):
    problem = autoencoding(rows)
    vector = some_point(problem)
    value = problem(vector, torch.empty_like(vector))
    layers = full_layers(problem, vector)
    h, b = codes_by_loops(rows, layers[:3]), signs()
    want = common_by_loops(h, b, layers)
    w, c = layers[3]
    want["reconstruction"] = sum(
        (rows[i, d] - sum(w[d] * b[i]) - c[d]) ** 2 for i in range(N) for d in range(D)
    ) / (2 * N)
    assert problem.terms.keys() == want.keys()
    for name in want:
        assert problem.terms[name] == pytest.approx(want[name], rel=1e-12), name
    assert value == pytest.approx(sum(want.values()), rel=1e-12)


@pytest.mark.parametrize("several", [False, True])
def test_terms_of_sh_bdnn_are_those_of_their_definitions(rows, several):
    if several:
        labels = (np.random.default_rng(3).random((N, 4)) < 0.3).astype(int)
        alike = lambda i, j: (labels[i] & labels[j]).any()  # noqa: E731
    else:
        labels = np.array(["a", "b", "c"])[np.arange(N) % 3]
        alike = lambda i, j: labels[i] == labels[j]  # noqa: E731
    problem = pair_keeping(rows, labels)
    vector = some_point(problem)
    problem(vector, torch.empty_like(vector))
    layers = full_layers(problem, vector)
    h = codes_by_loops(rows, layers)
    want = common_by_loops(h, signs(), layers)
    want["similarity"] = WEIGHTS.similarity * similarity_by_loops(h, alike)
    assert problem.terms.keys() == want.keys()
    for name in want:
        assert problem.terms[name] == pytest.approx(want[name], rel=1e-12), name


def autograd_of_definition(problem, vector, rows, labels):
    """Oracle: the objective in torch with every matrix of the papers, differentiated."""
    v = vector.clone().requires_grad_(True)
    parts = problem.layout.parts(v)
    x = torch.from_numpy(rows[:, problem.encoder.used])
    b = torch.from_numpy(signs())
    (w1, c1), (w2, c2), (w3, c3) = parts[:3]
    h = torch.sigmoid(torch.sigmoid(x @ w1.T + c1) @ w2.T + c2) @ w3.T + c3
    value = WEIGHTS.decay / 2 * sum((w**2).sum() for w, _ in parts)
    value = value + WEIGHTS.equality / (2 * N) * ((h - b) ** 2).sum()
    value = value + WEIGHTS.independence / 2 * ((h.T @ h / N - torch.eye(BITS)) ** 2).sum()
    value = value + WEIGHTS.balance / (2 * N) * (h.sum(0) ** 2).sum()
    if labels is None:
        w4, c4 = parts[3]
        value = value + ((torch.from_numpy(rows) - b @ w4.T - c4) ** 2).sum() / (2 * N)
    else:
        s = torch.from_numpy(np.where(labels[:, None] == labels, 1.0, -1.0))
        value = value + WEIGHTS.similarity / (2 * N) * ((h @ h.T / BITS - s) ** 2).sum()
    value.backward()
    return float(value.detach()), v.grad


@pytest.mark.parametrize("supervised", [False, True])
def test_gradients_are_those_of_autograd_and_of_differences(rows, supervised):
    labels = np.arange(N) % 4 if supervised else None
    problem = pair_keeping(rows, labels) if supervised else autoencoding(rows)
    vector = some_point(problem)
    gradient = torch.full_like(vector, torch.nan)
    value = problem(vector, gradient)
    want, slope = autograd_of_definition(problem, vector, rows, labels)
    assert value == pytest.approx(want, rel=1e-12)
    np.testing.assert_allclose(gradient.numpy(), slope.numpy(), rtol=1e-10, atol=1e-10)
    unused = torch.empty_like(vector)
    for at in range(0, len(vector), 5):
        step = torch.zeros_like(vector)
        step[at] = 1e-6
        by_differences = (problem(vector + step, unused) - problem(vector - step, unused)) / 2e-6
        assert float(gradient[at]) == pytest.approx(by_differences, rel=1e-5, abs=1e-6)


def test_products_in_float32_are_near_those_in_float64(rows):
    exact, near = autoencoding(rows), autoencoding(rows, "float32")
    vector = some_point(exact)
    g, h = torch.empty_like(vector), torch.empty_like(vector)
    assert near(vector, h) == pytest.approx(exact(vector, g), rel=1e-6)
    np.testing.assert_allclose(h, g, rtol=1e-4, atol=1e-5)
    assert not torch.equal(g, h)


@pytest.mark.parametrize("from_zeros", [False, True])
def test_the_step_over_codes_is_that_over_all_terms_that_hold_codes(rows, from_zeros):
    problem = autoencoding(rows, from_zeros=from_zeros)
    vector = some_point(problem)
    before = sum(problem.measure(vector).values())
    found = problem.better_signs(vector)
    layers = full_layers(problem, vector)
    h = codes_by_loops(rows, layers[:3])
    w, c = layers[3]
    b = np.zeros((N, BITS)) if from_zeros else signs()
    for _ in range(10):
        for i in range(N):
            for k in range(BITS):
                b[i, k] = 0
                q = w[:, k] @ (rows[i] - c - w @ b[i]) + WEIGHTS.equality * h[i, k]
                b[i, k] = 1 if q >= 0 else -1
    np.testing.assert_array_equal(found.numpy(), b)
    problem.set_signs(found)
    after = sum(problem.measure(vector).values())
    assert from_zeros or after < before


def test_the_low_rank_identity_is_exact_at_a_size_where_pairs_are_many():
    random = np.random.default_rng(2)
    h, labels = random.normal(size=(300, 7)), random.integers(0, 10, 300)
    s = np.where(labels[:, None] == labels, 1.0, -1.0)
    value, gradient = similarity_term(torch.from_numpy(h), SamePairs(labels), 1.0)
    apart = h @ h.T / 7 - s
    assert value == pytest.approx((apart**2).sum() / 600, rel=1e-12)
    np.testing.assert_allclose(gradient, 2 / 300 / 7 * apart @ h, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shared", [[], [(0, 1)], [(0, 1), (2, 3)], [(0, 1), (1, 2)]])
def test_each_class_that_coincides_with_another_costs_a_step(shared):
    """The least value for so many different codes of classes, as the page of sh-bdnn has it."""
    same = np.eye(10)
    for a, b in shared:
        same[:, b] += same[:, a]
        same[:, a] = 0
    own = np.linalg.qr(np.column_stack([np.ones(10), same[:, same.any(0)]]))[0]
    different = int(same.any(0).sum())
    best = np.sqrt(2) * own[:, 1:different]  # of those, the directions that have the eigenvalue 2
    labels, bits = np.arange(10).repeat(30), different - 1
    h = torch.from_numpy(best[labels] * np.sqrt(bits))
    value, gradient = similarity_term(h, SamePairs(labels), 1.0)
    assert value == pytest.approx((64 + 4 * (10 - different)) * 30**2 / 600, rel=1e-12)
    assert float(gradient.abs().max()) < 1e-12  # so that nothing parts them again


def pairs_by_loops(labels):
    return np.array([[1 if (a & b).any() else -1 for b in labels] for a in labels])


@pytest.mark.parametrize("block", [1, 7, 1024])
@pytest.mark.parametrize("kept", [True, False])
def test_groups_of_several_labels_give_the_full_matrix_of_pairs(monkeypatch, block, kept):
    if not kept:
        monkeypatch.setattr("bitgrove.hashing._pairs._KEPT", 0)
    labels = (np.random.default_rng(1).random((50, 5)) < 0.35).astype(np.uint8)
    labels[4] = 0  # like none, itself included
    s = pairs_by_loops(labels)
    assert s[4, 4] == -1
    pairs = SamePairs(labels, block=block)
    assert pairs.groups < 50
    h = torch.from_numpy(np.random.default_rng(0).normal(size=(50, 3)))
    product = pairs.of_rows(pairs.times(pairs.group_sums(h)))
    np.testing.assert_allclose(product.numpy(), s @ h.numpy(), atol=1e-12)


def test_one_label_for_each_row_is_the_indicator_matrix_of_it():
    labels = np.arange(20) % 3
    h = torch.from_numpy(np.random.default_rng(0).normal(size=(20, 3)))
    one, several = SamePairs(labels), SamePairs(np.eye(3)[labels])
    for a, b in zip(similarity_term(h, one, 0.5), similarity_term(h, several, 0.5), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_layers_start_as_eigenvectors_of_uncentred_second_moments(rows):
    used = rows[:, rows.any(0)]
    weights = stacked_eigenvectors(used, (4, 3, 2), np.random.RandomState(0))
    value = used
    for weight, size in zip(weights, (4, 3, 2), strict=True):
        moment = sum(np.outer(v, v) for v in value) / len(value)
        kept = np.diag(weight @ moment @ weight.T)
        np.testing.assert_allclose(weight @ weight.T, np.eye(size), atol=1e-9)
        np.testing.assert_allclose(kept, np.sort(np.linalg.eigvalsh(moment))[::-1][:size])
        value = sigmoid(value @ weight.T)


def test_layers_wider_than_their_input_are_filled_with_unit_vectors(rows):
    weights = stacked_eigenvectors(rows[:, :3], (5, 7, 2), np.random.RandomState(0))
    assert [w.shape for w in weights] == [(5, 3), (7, 5), (2, 7)]
    for weight in weights:
        np.testing.assert_allclose(np.linalg.norm(weight, axis=1), 1)


def test_sizes_of_the_authors_and_lines_between_them():
    table = {8: (90, 20), 16: (90, 30), 24: (100, 40), 32: (120, 50), 48: (140, 60)}
    assert {bits: hidden_sizes(bits) for bits in table} == table
    every = [hidden_sizes(bits) for bits in range(1, 300)]
    assert all(a >= b >= bits for bits, (a, b) in enumerate(every, 1))
    assert every == sorted(every)


def test_unseen_rows_take_the_way_of_training_rows(rows):
    problem = autoencoding(rows)
    vector = some_point(problem)
    layers = full_layers(problem, vector)[:3]
    inside = problem.encoder.forward(problem.layout.parts(vector)).numpy()
    np.testing.assert_allclose(real_codes(rows, layers, block=5), inside, atol=1e-12)
    np.testing.assert_allclose(codes_by_loops(rows, layers), inside, atol=1e-12)


def test_layout_has_every_number_once():
    layout = Layout(((3, 2), (2, 4)))
    vector = torch.arange(layout.length)
    parts = [p for pair in layout.parts(vector) for p in pair]
    assert [tuple(p.shape) for p in parts] == [(2, 3), (2,), (4, 2), (4,)]
    assert torch.equal(torch.cat([p.reshape(-1) for p in parts]), vector)


def test_weights_of_the_paper_are_those_of_the_code_by_another_unit():
    code, paper = BDNNWeights(), PAPER_SUPERVISED
    for name in ("decay", "equality", "independence", "similarity"):
        assert getattr(paper, name) == pytest.approx(getattr(code, name) / code.similarity)
    assert paper.balance == pytest.approx(2 * code.balance / code.similarity)


def test_weights_out_of_range_are_refused():
    with pytest.raises(ValueError, match="decay must be finite and at least 0, got -1"):
        BDNNWeights(decay=-1)
    with pytest.raises(ValueError, match="balance must be finite"):
        BDNNWeights(balance=float("nan"))
    with pytest.raises(TypeError, match="similarity must be a number"):
        BDNNWeights(similarity="1")
