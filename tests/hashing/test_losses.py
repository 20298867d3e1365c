"""Losses of codes against their definitions, by explicit loops in float64."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from bitgrove.hashing import (
    BiHalfLoss,
    CSQLoss,
    DSHLoss,
    GreedyHashLoss,
    OrthoHashLoss,
    SuBiCLoss,
    TripletHashLoss,
    bi_half,
    piecewise_threshold,
    triplet_ranking_loss,
)

N, BITS, CLASSES = 7, 8, 3


@pytest.fixture
def codes():
    return torch.tensor(np.random.default_rng(0).normal(0, 1.2, (N, BITS)), requires_grad=True)


@pytest.fixture
def labels():
    return torch.tensor([0, 1, 0, 2, 1, 0, 2])


@pytest.fixture
def several():
    return torch.tensor(
        [[1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [0, 0, 0], [1, 0, 0], [0, 1, 1]]
    )


def number(value):
    return value.detach().item()


def share(a, b):
    if a.ndim:
        return any(x and y for x, y in zip(a.tolist(), b.tolist(), strict=True))
    return int(a) == int(b)


def dsh_by_loops(codes, labels, margin, alpha):
    rows, total, pull = codes.tolist(), 0.0, 0.0
    for i in range(len(rows)):
        for j in range(i + 1, len(rows)):
            d = sum((a - b) ** 2 for a, b in zip(rows[i], rows[j], strict=True))
            total += d if share(labels[i], labels[j]) else max(margin - d, 0)
        pull += sum(abs(abs(a) - 1) for a in rows[i])
    n = len(rows)
    return total / (n * (n - 1)) + alpha / n * pull


def test_dsh_is_its_sum_over_pairs(codes, labels, several):
    rows = codes.detach()
    for y in (labels, several):
        for margin in (16.0, 9.0):
            wanted = dsh_by_loops(rows, y, margin, 0.3)
            assert number(DSHLoss(BITS, margin=margin, alpha=0.3)(rows, y)) == pytest.approx(wanted)
    assert dsh_by_loops(rows, labels, 16.0, 0) != dsh_by_loops(rows, labels, 9.0, 0)
    assert DSHLoss(12).margin == 24


def test_rows_without_a_label_are_unlike_all_others_but_themselves(several):
    far = torch.eye(N, 8, dtype=torch.float64) * 100
    assert number(DSHLoss(8, alpha=0)(far, several)) > 0  # rows that share a label are far apart
    alone = torch.zeros(N, 3)
    assert number(DSHLoss(8, alpha=0)(far, alone)) == 0


def test_the_slopes_of_the_pull_are_those_of_the_source():
    values = torch.tensor([[-2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0]], requires_grad=True)
    DSHLoss(8, alpha=1.0)(values, torch.tensor([0])).backward()
    assert values.grad.tolist() == [[-1, 1, 1, 1, 1, -1, 1, 1]]


def test_a_perfectly_coded_batch_costs_dsh_nothing():
    a = [1, 1, 1, 1, 1, 1, 1, 1]
    b = [-1, -1, -1, -1, 1, 1, 1, 1]  # 4 bits of 8: a squared distance of 16, the margin
    rows = torch.tensor([a, b, a, b], dtype=torch.float64)
    assert number(DSHLoss(8)(rows, torch.tensor([0, 1, 0, 1]))) == 0
    b[3] = 1
    rows = torch.tensor([a, b, a, b], dtype=torch.float64)
    assert number(DSHLoss(8)(rows, torch.tensor([0, 1, 0, 1]))) == pytest.approx(4 * 4 / 12)


def test_triplet_gradients_are_those_by_hand():
    rng = np.random.default_rng(1)
    a, p, n = (torch.tensor(rng.random((40, 3)), requires_grad=True) for _ in range(3))
    losses = triplet_ranking_loss(a, p, n, 0.2)
    losses.sum().backward()
    for i in range(40):
        near, far = (sum((a[i] - x[i]).detach().numpy() ** 2) for x in (p, n))
        active = 0.2 + near - far > 0
        assert losses[i].item() == pytest.approx(max(0.2 + near - far, 0))
        for x, wanted in ((a, 2 * (n - p)), (p, 2 * (p - a)), (n, 2 * (a - n))):
            torch.testing.assert_close(x.grad[i], active * wanted[i].detach())
    assert 0 < (losses > 0).sum() < 40


@pytest.mark.parametrize("epsilon", [0.5, 0.1])
def test_triplet_loss_is_the_mean_over_all_triplets(codes, labels, several, epsilon):
    def threshold(s):
        return s if abs(s - 0.5) <= epsilon else float(s > 0.5)

    soft = [[threshold(1 / (1 + math.exp(-u))) for u in row] for row in codes.tolist()]

    def distance(i, j):
        return sum((a - b) ** 2 for a, b in zip(soft[i], soft[j], strict=True))

    for y in (labels, several):
        triplets = [
            max(0.0, 0.5 + distance(a, p) - distance(a, n))
            for a in range(N)
            for p in range(N)
            for n in range(N)
            if p != a and share(y[a], y[p]) and not share(y[a], y[n]) and n != a
        ]
        assert 0 < sum(t > 0 for t in triplets) < len(triplets)
        got = TripletHashLoss(BITS, margin=0.5, epsilon=epsilon)(codes.detach(), y)
        assert number(got) == pytest.approx(np.mean(triplets))


def test_the_threshold_passes_gradients_in_its_band_alone_or_everywhere():
    for through in (False, True):
        values = torch.tensor([0.1, 0.25, 0.45, 0.5, 0.6, 0.75, 0.9], requires_grad=True)
        out = piecewise_threshold(values, 0.25, straight_through=through)
        torch.testing.assert_close(out, torch.tensor([0, 0.25, 0.45, 0.5, 0.6, 0.75, 1]))
        out.sum().backward()
        assert values.grad.tolist() == [1.0] * 7 if through else [0, 1, 1, 1, 1, 1, 0]


def subic_by_loops(loss, activations, labels):
    m, k = loss.blocks, loss.width
    soft = []
    for row in activations.tolist():
        blocks = [row[b * k : (b + 1) * k] for b in range(m)]
        soft.append([[math.exp(v) / sum(map(math.exp, block)) for v in block] for block in blocks])

    def entropy(shares):
        return -sum(s * math.log2(s) for s in shares if s > 0)

    weight, bias = loss.classifier.weight.tolist(), loss.classifier.bias.tolist()
    wrong = 0.0
    for row, label in zip(soft, labels.tolist(), strict=True):
        flat = [s for block in row for s in block]
        logits = [
            b + sum(w * s for w, s in zip(ws, flat, strict=True))
            for ws, b in zip(weight, bias, strict=True)
        ]
        wrong += math.log(sum(map(math.exp, logits))) - logits[label]
    n = len(soft)
    each = sum(entropy(block) for row in soft for block in row) / n / (m * math.log2(k))
    mean = [[sum(row[b][e] for row in soft) / n for e in range(k)] for b in range(m)]
    together = sum(map(entropy, mean)) / (m * math.log2(k))
    return wrong / n / math.log(loss.classes) + loss.entropy * each - loss.batch_entropy * together


def test_subic_is_its_definition(codes, labels):
    loss = SuBiCLoss(CLASSES, blocks=2, width=4, entropy=0.7, batch_entropy=0.4).double()
    wanted = subic_by_loops(loss, codes, labels)
    assert number(loss(codes, labels).detach()) == pytest.approx(wanted)


def test_subic_entropies_are_0_and_1_at_their_extremes():
    loss = SuBiCLoss(2, blocks=3, width=4)
    chosen = 1e4 * torch.eye(4, dtype=torch.float64).repeat(1, 3)  # every entry once in each block
    each, together = loss.entropies(chosen)
    assert number(each) == 0
    assert number(together) == pytest.approx(1)
    assert number(loss.entropies(chosen[:1])[1]) == 0
    undecided = torch.zeros(5, 12)
    assert [number(e) for e in loss.entropies(undecided)] == pytest.approx([1, 1])


def test_subic_learns_from_blocks_that_have_chosen_without_nan():
    loss = SuBiCLoss(2, blocks=1, width=4)
    chosen = torch.tensor([[900.0, 0, 0, 0], [800.0, 0, 0, 0]], requires_grad=True)
    loss(chosen, torch.tensor([0, 1])).backward()
    assert torch.isfinite(chosen.grad).all()


def test_greedy_hash_is_cross_entropy_of_signs_and_a_cube(codes, labels):
    loss = GreedyHashLoss(BITS, CLASSES, alpha=0.25).double()
    with torch.no_grad():
        codes[0, 0] = 0.0  # a sign of +1
    weight = loss.classifier.weight.tolist()
    wrong = 0.0
    for row, label in zip(codes.tolist(), labels.tolist(), strict=True):
        signs = [1 if u >= 0 else -1 for u in row]
        logits = [sum(w * s for w, s in zip(ws, signs, strict=True)) for ws in weight]
        wrong += math.log(sum(map(math.exp, logits))) - logits[label]
    cubes = [abs(abs(u) - 1) ** 3 for row in codes.tolist() for u in row]
    value = loss(codes, labels)
    assert number(value) == pytest.approx(wrong / N + 0.25 * np.mean(cubes))
    value.backward()
    signs = torch.where(codes >= 0, 1.0, -1.0).double().detach().requires_grad_()
    nn.functional.cross_entropy(loss.classifier(signs), labels).backward()
    u = codes.detach()
    by_hand = 0.25 * 3 * (u.abs() - 1).abs() ** 2 * (u.abs() - 1).sign() * u.sign() / u.numel()
    torch.testing.assert_close(codes.grad, signs.grad + by_hand)


def test_csq_is_the_cross_entropy_of_every_bit(codes, labels):
    loss = CSQLoss(BITS, CLASSES, quantisation=0.3)
    total = pull = 0.0
    for row, label in zip(codes.tolist(), labels.tolist(), strict=True):
        for u, centre in zip(row, loss.centres[label].tolist(), strict=True):
            p = (math.tanh(u) + 1) / 2
            total -= math.log(p if centre > 0 else 1 - p)
            pull += (abs(math.tanh(u)) - 1) ** 2
    assert number(loss(codes, labels)) == pytest.approx((total + 0.3 * pull) / (N * BITS))


def test_ortho_hash_is_the_cross_entropy_of_cosines(codes, labels):
    loss = OrthoHashLoss(BITS, CLASSES, margin=0.3)
    assert loss.scale == pytest.approx(math.sqrt(BITS))
    total = 0.0
    for row, label in zip(codes.tolist(), labels.tolist(), strict=True):
        length = math.sqrt(sum(u * u for u in row))
        logits = [
            loss.scale
            * (
                sum(u * c for u, c in zip(row, centre, strict=True)) / length / math.sqrt(BITS)
                - 0.3 * (k == label)
            )
            for k, centre in enumerate(loss.centres.tolist())
        ]
        total += math.log(sum(map(math.exp, logits))) - logits[label]
    assert number(loss(codes, labels)) == pytest.approx(total / N)
    torch.testing.assert_close(loss(3 * codes, labels), loss(codes, labels))  # angles alone


def test_bi_half_halves_every_batch_exactly_and_draws_numbers_to_their_bits(codes):
    for n in (2, 5, 8):
        values = torch.tensor(np.random.default_rng(n).normal(3, 1, (n, 4)), requires_grad=True)
        bits = bi_half(values, 6.0)
        assert bits.sum(0).tolist() == [-(n % 2)] * 4
        for column, of in zip(bits.T, values.T, strict=True):
            assert of[column > 0].min() >= of[column < 0].max()
        weights = torch.arange(values.numel(), dtype=torch.float64).reshape(values.shape)
        (bits * weights).sum().backward()
        torch.testing.assert_close(values.grad, weights + 6 * (values - bits).detach() / (n * 4))
    assert bi_half(torch.ones(4, 1)).T.tolist() == [[1, 1, -1, -1]]  # ties by row


def test_bi_half_compares_the_cosines_of_all_pairs(codes):
    features = torch.tensor(np.random.default_rng(5).normal(size=(N, 5)))
    bits = bi_half(codes).detach().numpy()

    def cosine(a, b):
        return (a @ b) / math.sqrt((a @ a) * (b @ b))

    apart = [
        (cosine(bits[i], bits[j]) - cosine(features[i].numpy(), features[j].numpy())) ** 2
        for i in range(N)
        for j in range(N)
        if i != j
    ]
    loss = BiHalfLoss(BITS)
    assert number(loss(codes, features)) == pytest.approx(np.mean(apart))
    assert number(loss(codes, features)) == number(loss(codes, 7 * features))


SMOOTH = {
    "triplet": TripletHashLoss(BITS, margin=4.0, epsilon=0.5),
    "subic": SuBiCLoss(CLASSES, blocks=2, width=4).double(),
    "csq": CSQLoss(BITS, CLASSES, quantisation=0.2),
    "ortho": OrthoHashLoss(BITS, CLASSES),
    "dsh": DSHLoss(BITS),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_are_those_of_finite_differences(name, codes, labels):
    assert torch.autograd.gradcheck(lambda u: SMOOTH[name](u, labels), codes)
    assert codes.grad is None
    SMOOTH[name](codes, labels).backward()
    assert codes.grad.abs().sum() > 0


HALF = {
    "triplet": TripletHashLoss(48),
    "dsh": DSHLoss(48),
    "subic": SuBiCLoss(CLASSES, blocks=12, width=4),
    "csq": CSQLoss(48, CLASSES),
    "ortho": OrthoHashLoss(48, CLASSES),
    "greedy": GreedyHashLoss(48, CLASSES),
}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", HALF)
def test_half_precision_codes_do_not_overflow(name, dtype, labels):
    values = torch.tensor(np.random.default_rng(0).normal(0, 100, (N, 48)), dtype=dtype)
    values.requires_grad_()
    loss = HALF[name](values, labels)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, HALF[name](values.detach().float(), labels))
    loss.backward()
    assert torch.isfinite(values.grad).all()
    assert values.detach().square().sum() == torch.inf or dtype == torch.bfloat16  # a real danger


@pytest.mark.parametrize("name", HALF)
def test_one_row_and_one_class_are_finite(name, labels):
    for n in (1, 4):
        values = torch.full((n, 48), 0.3, requires_grad=True)
        loss = HALF[name](values, torch.zeros(n, dtype=torch.int64))
        assert torch.isfinite(loss)
        if loss.requires_grad:
            loss.backward()
            assert torch.isfinite(values.grad).all()


def test_a_batch_without_triplets_costs_nothing():
    values = torch.randn(3, 5)
    assert number(TripletHashLoss(5)(values, torch.tensor([0, 1, 2]))) == 0
    assert number(TripletHashLoss(5)(values, torch.tensor([1, 1, 1]))) == 0


@pytest.mark.parametrize("name", HALF)
def test_what_does_not_fit_is_named(name, labels):
    loss = HALF[name]
    rows = torch.zeros(N, 48)
    with pytest.raises(ValueError, match=r"codes must have shape \(n, 48\), got \(7, 47\)"):
        loss(rows[:, 1:], labels)
    with pytest.raises(ValueError, match="every code needs its label"):
        loss(rows, labels[1:])
    with pytest.raises(ValueError, match="every code needs its label"):
        loss(rows[:0], labels[:0])
    with pytest.raises(TypeError, match=r"codes must be real numbers, got torch\.int64"):
        loss(rows.long(), labels)
    if name not in ("triplet", "dsh"):
        with pytest.raises(ValueError, match="labels must be in 0 to 2 for 3 classes, got 0 to 3"):
            loss(rows, torch.tensor([0, 1, 2, 3, 0, 1, 2]))
        with pytest.raises(TypeError, match=r"labels must be integers, got torch\.float32"):
            loss(rows, labels.float())
        with pytest.raises(ValueError, match="one class a row"):
            loss(rows, torch.ones(N, 3, dtype=torch.int64))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DSHLoss(0), "bits must be at least 1, got 0"),
        (lambda: DSHLoss(8, margin=0), "margin must be finite and above 0, got 0"),
        (lambda: DSHLoss(8, alpha=-1), "alpha must be finite and at least 0, got -1"),
        (lambda: TripletHashLoss(8, epsilon=0.6), "epsilon must be in 0 to 0.5, got 0.6"),
        (lambda: SuBiCLoss(2, blocks=2, width=6), "width must be a power of 2"),
        (lambda: SuBiCLoss(1, blocks=2, width=4), "classes must be at least 2, got 1"),
        (lambda: GreedyHashLoss(8, 1), "classes must be at least 2, got 1"),
        (lambda: CSQLoss(3, 9), "3 bits have no 9 different codes"),
        (lambda: OrthoHashLoss(8, 2, margin=2), "margin must be in 0 to below 2, got 2"),
        (lambda: OrthoHashLoss(8, 2, scale=math.nan), "scale must be finite and above 0, got nan"),
        (lambda: BiHalfLoss(8, gamma=-1), "gamma must be finite and at least 0, got -1"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_hits_are_what_the_loss_itself_would_answer(labels):
    for loss in (CSQLoss(8, 3), OrthoHashLoss(8, 3)):
        rows = loss.centres[labels].clone()
        rows[0] = loss.centres[1]
        assert loss.hits(rows, labels).tolist() == [False] + [True] * 6
    greedy = GreedyHashLoss(3, 3)
    with torch.no_grad():
        greedy.classifier.weight.copy_(torch.eye(3))
    rows = 0.1 * (2 * torch.eye(3)[labels] - 1)
    assert greedy.hits(rows, labels).all()
    assert not greedy.hits(-rows, labels).any()
    subic = SuBiCLoss(3, blocks=1, width=4)
    with torch.no_grad():
        subic.classifier.weight.copy_(torch.eye(3, 4))
        subic.classifier.bias.zero_()
    assert subic.hits(torch.eye(4)[labels], labels).all()


def test_hits_of_pairs_are_those_whose_nearest_code_is_alike():
    rows = torch.tensor([[1.0, 1, 1], [1, 1, -1], [1, -1, -1], [-1, -1, -1]])
    # By code, 0: {1}, 1: {0, 2}, 2: {1, 3}, 3: {2}.
    loss = DSHLoss(3)
    assert loss.hits(rows, torch.tensor([0, 0, 1, 1])).tolist() == [True, False, False, True]
    assert loss.hits(rows, torch.tensor([0, 0, 0, 1])).tolist() == [True, True, False, False]
    assert loss.hits(rows[:1], torch.tensor([0])).tolist() == [False]
