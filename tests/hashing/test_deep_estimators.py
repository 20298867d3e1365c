"""The estimators that train a small head: their contract, their codes, what they refuse."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import estimator_checks_generator

from bitgrove.hashing import (
    CSQ,
    DSH,
    BiHalf,
    GreedyHash,
    OrthoHash,
    SuBiC,
    TripletHashing,
    _torch_encoder,
)

TINY = {"epochs": 2, "batch_size": 16}
SMALL = [
    DSH(5, hidden=(4,), **TINY),
    TripletHashing(5, slice_width=2, **TINY),
    SuBiC(6, width=4, hidden=(4,), **TINY),
    GreedyHash(5, hidden=(4,), **TINY),
    CSQ(12, hidden=(4,), **TINY),
    OrthoHash(12, hidden=(4,), **TINY),
    BiHalf(5, hidden=(4,), **TINY),
]
SUPERVISED = SMALL[:-1]
NAMES = [type(encoder).__name__ for encoder in SMALL]
NOT_RUN = {"check_array_api_input": "needs the array API mode of scipy"}


def checks():
    for encoder in SMALL:
        for each, check in estimator_checks_generator(encoder):
            if check.func.__name__ not in NOT_RUN:
                yield pytest.param(each, check, id=f"{type(each).__name__}-{check.func.__name__}")


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600].astype(np.float32), y[:600], X[600:900].astype(np.float32), y[600:900]


def by_torch(encoder, head, X):
    """Oracle: the head as torch would run it, on rows that are standardised by hand."""
    rows = (X.astype(np.float64) - encoder.mean_) / encoder.scale_
    with torch.no_grad():
        return head.double().eval()(torch.from_numpy(rows)).numpy()


@pytest.mark.parametrize("encoder", SMALL, ids=NAMES)
def test_every_parameter_is_kept_under_its_own_name(encoder):
    settings = {name: object() for name in encoder.get_params()}
    made = type(encoder)(**settings)
    assert {name: getattr(made, name) for name in settings} == settings


@pytest.mark.parametrize("encoder", SMALL, ids=NAMES)
def test_arrays_give_what_the_trained_torch_head_gives(encoder, digits, monkeypatch):
    X, y, Q, _ = digits
    heads = []
    own = _torch_encoder.layers_of

    def remember(modules):
        heads.append(torch.nn.Sequential(*modules))
        return own(modules)

    monkeypatch.setattr(_torch_encoder, "layers_of", remember)
    encoder = clone(encoder).fit(X, y)
    np.testing.assert_allclose(
        encoder.decision_function(Q), by_torch(encoder, heads[0], Q), rtol=1e-9, atol=1e-9
    )
    assert encoder.mean_ == pytest.approx(X.mean(0, dtype=np.float64))


@pytest.mark.parametrize("encoder", SMALL, ids=NAMES)
def test_codes_are_the_signs_or_the_largest_entries_in_packbits_order(encoder, digits):
    X, y, Q, _ = digits
    encoder = clone(encoder).fit(X, y)
    values, codes = encoder.decision_function(Q), encoder.encode(Q)
    assert codes.shape == (len(Q), (encoder.bits + 7) // 8)
    if isinstance(encoder, SuBiC):
        assert values.shape == (len(Q), encoder.blocks_ * encoder.width)
        assert (values >= 0).all()
        entries = values.reshape(len(Q), 3, 4).argmax(2)
        bits = np.stack([entries >> 1, entries & 1], axis=2).reshape(len(Q), 6)
    else:
        assert values.shape == (len(Q), encoder.bits)
        bits = values >= 0
    np.testing.assert_array_equal(np.unpackbits(codes, axis=1, count=encoder.bits), bits)
    alone = np.concatenate([encoder.encode(Q[i : i + 1]) for i in range(30)])
    np.testing.assert_array_equal(alone, codes[:30])


@pytest.mark.parametrize("encoder", SMALL, ids=NAMES)
def test_a_seed_gives_one_result_and_leaves_the_random_state_alone(encoder, digits):
    X, y, Q, _ = digits
    torch.manual_seed(7)
    state = torch.random.get_rng_state()
    first = clone(encoder).fit(X, y)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.set_num_threads(2)
    again = clone(encoder).fit(X, y)
    np.testing.assert_array_equal(again.decision_function(Q), first.decision_function(Q))
    assert torch.get_num_threads() == 2
    other = clone(encoder).set_params(random_state=5).fit(X, y)
    assert not np.array_equal(other.decision_function(Q), first.decision_function(Q))
    copied = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(copied.encode(Q), first.encode(Q))


def hits_of_nearest(encoder, X, y, Q, labels):
    """Share of queries whose nearest rows by code mostly have their label."""
    if isinstance(encoder, SuBiC):
        hard = encoder.decision_function(X).reshape(len(X), encoder.blocks_, -1)
        hard = (hard == hard.max(2, keepdims=True)).reshape(len(X), -1)
        distances = -encoder.decision_function(Q) @ hard.T
    else:
        a, b = (2.0 * (encoder.decision_function(part) >= 0) - 1 for part in (Q, X))
        distances = -a @ b.T
    nearest = distances == distances.min(1, keepdims=True)
    return np.mean([(y[row] == label).mean() for row, label in zip(nearest, labels, strict=True)])


QUICK = {"epochs": 12, "batch_size": 40, "lr": 3e-3}
LEARN = [
    DSH(12, **QUICK),
    TripletHashing(12, slice_width=8, **QUICK),
    SuBiC(12, width=8, **QUICK),
    GreedyHash(12, **QUICK),
    CSQ(12, **QUICK),
    OrthoHash(12, **QUICK),
]


@pytest.mark.parametrize("encoder", LEARN, ids=NAMES[:-1])
def test_codes_of_one_class_are_near_on_other_rows(encoder, digits):
    X, y, Q, labels = digits
    encoder = clone(encoder).fit(X, y)
    assert encoder.loss_curve_[-1] < encoder.loss_curve_[0]
    assert len(encoder.loss_curve_) == encoder.epochs
    assert hits_of_nearest(encoder, X, y, Q, labels) > 0.75  # 0.1 by chance


def test_bi_half_balances_its_bits_and_codes_by_signs(digits):
    X, _, Q, _ = digits
    encoder = BiHalf(16, epochs=20).fit(X)
    values = encoder.decision_function(Q)
    shares = (values >= 0).mean(0)
    assert ((shares > 0.3) & (shares < 0.7)).all()
    assert not np.array_equal(values >= 0, values > np.median(values, axis=0))  # not halves of Q
    one = encoder.encode(Q[3:4])
    np.testing.assert_array_equal(one, encoder.encode(Q)[3:4])


def test_several_labels_a_row_are_learnt_by_pairs_and_triplets(digits):
    X, y, Q, labels = digits
    several = np.stack([y < 5, y % 2 == 0], axis=1).astype(int)
    assert (several.sum(1) == 0).any()
    for encoder in (DSH(8, **QUICK), TripletHashing(8, slice_width=8, **QUICK)):
        encoder.fit(X, several)
        codes = 2.0 * (encoder.decision_function(Q) >= 0) - 1
        asked = np.stack([labels < 5, labels % 2 == 0], axis=1).astype(int)
        alike = asked @ asked.T > 0
        products = codes @ codes.T
        assert products[alike].mean() > products[~alike].mean() + 1
    with pytest.raises(ValueError, match="must be of 0 and 1"):
        DSH(8).fit(X, 3 * several)
    with pytest.raises(ValueError, match="1d array"):
        CSQ(8).fit(X, several)


@pytest.mark.parametrize("encoder", SUPERVISED, ids=NAMES[:-1])
def test_what_cannot_be_learnt_from_is_refused(encoder, digits):
    X, y, *_ = digits
    with pytest.raises(ValueError, match="2 classes at least, got 1 class"):
        clone(encoder).fit(X, np.zeros(len(X), int))
    with pytest.raises(ValueError, match="the target y is None"):
        clone(encoder).fit(X)
    with pytest.raises(ValueError, match="NaN"):
        clone(encoder).fit(np.where(X[0, 2] == X, np.nan, X), y)
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        clone(encoder).fit(X[:1], y[:1])
    with pytest.raises(ValueError, match="Unknown label type"):
        clone(encoder).fit(X, y + 0.5)
    with pytest.raises(ValueError, match=r"training diverged\. Lower lr"):
        clone(encoder).set_params(lr=1e30, optimizer="sgd", epochs=20).fit(X, y)


def test_subic_ranks_codes_by_the_numbers_of_the_query():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 4)), np.arange(30) % 3
    encoder = SuBiC(6, width=4, hidden=(), epochs=1).fit(X, y)
    values = encoder.decision_function(X[:7]).astype(np.float32)
    entries = encoder.decision_function(X).reshape(30, 3, 4).argmax(2)
    index = encoder.index(encoder.encode(X))
    scores = np.concatenate(list(index.scores(values)))
    for i in range(7):
        for j in range(30):
            wanted = sum(values[i, 4 * b + entries[j, b]] for b in range(3))
            assert scores[i, j] == pytest.approx(wanted)
    assert len(np.unique(scores)) > 20
    np.testing.assert_array_equal(index.search(values, 1).distances[:, 0], scores.max(1))


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "epochs must be at least 1, got 0"),
        ({"epochs": 1.5}, TypeError, "epochs must be an integer, got 1.5"),
        ({"batch_size": 1}, ValueError, "batch_size must be at least 2, got 1"),
        ({"lr": 0}, ValueError, "lr must be finite and above 0, got 0"),
        ({"weight_decay": -1}, ValueError, "weight_decay must be finite and at least 0, got -1"),
        ({"optimizer": "lbfgs"}, ValueError, "optimizer must be 'adam' or 'sgd', got 'lbfgs'"),
        ({"hidden": 5}, TypeError, "hidden must be a sequence of widths, got 5"),
        ({"hidden": (5, 0)}, ValueError, "hidden must be at least 1, got 0"),
        ({"bits": 0}, ValueError, "bits must be at least 1, got 0"),
    ],
)
@pytest.mark.parametrize("encoder", [SMALL[0], SMALL[-1]], ids=["DSH", "BiHalf"])
def test_settings_out_of_range_are_refused(encoder, changed, error, message, digits):
    with pytest.raises(error, match=message):
        clone(encoder).set_params(**changed).fit(*digits[:2])


def test_settings_of_one_method_are_refused_too(digits):
    X, y, *_ = digits
    for encoder, message in (
        (SuBiC(13, width=4), "bits must be a multiple of"),
        (SuBiC(12, width=6), "width must be a power of 2"),
        (TripletHashing(8, slice_width=0), "slice_width must be at least 1"),
        (CSQ(3), "3 bits have no 10 different codes"),
        (DSH(8, margin=-1), "margin must be finite and above 0"),
    ):
        with pytest.raises(ValueError, match=message):
            encoder.fit(X, y)


def test_names_of_classes_and_constant_features_are_no_obstacle(digits):
    X, y, *_ = digits
    names = np.array(list("abcdefghij"))[y]
    encoder = OrthoHash(12, **TINY).fit(X, names)
    assert list(encoder.classes_) == list("abcdefghij")
    same = OrthoHash(12, **TINY).fit(X, y)
    np.testing.assert_array_equal(encoder.encode(X), same.encode(X))
    flat = OrthoHash(12, **TINY).fit(np.ones((6, 3)), [0, 1] * 3)
    assert np.isfinite(flat.decision_function(np.ones((2, 3)))).all()


def test_far_away_and_huge_features_are_standardised(digits):
    X, y, *_ = digits
    near = GreedyHash(8, **TINY).fit(X.astype(np.float64), y)
    far = GreedyHash(8, **TINY).fit(1e6 * X.astype(np.float64) + 1e9, y)
    moved = 1e6 * X.astype(np.float64) + 1e9
    np.testing.assert_allclose(far.decision_function(moved), near.decision_function(X), atol=1e-4)
