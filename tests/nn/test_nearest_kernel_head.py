"""Gaussian kernels on neighbours: the dense sum, the excluded centre, the classes, the gradient."""

import math

import numpy as np
import pytest
import torch

from bitgrove.nn import NearestKernelHead


def made(n=40, dim=5, classes=4, **options):
    torch.manual_seed(0)
    labels = torch.arange(n) % classes
    centres = torch.randn(n, dim)
    head = NearestKernelHead(labels, dim, **({"bandwidth": 1.3} | options))
    head.log_weights.data.normal_()
    head.refresh(centres)
    return head, centres, labels


def by_loops(x, centres, labels, weights, bandwidth, allowed):
    """The definition, with plain numbers."""
    found = []
    for q, point in enumerate(x.tolist()):
        sums = [0.0] * (int(labels.max()) + 1)
        for i in allowed[q]:
            away = sum((a - b) ** 2 for a, b in zip(point, centres[i].tolist(), strict=True))
            kernel = math.exp(weights[i].item()) * math.exp(-away / (2 * bandwidth**2))
            sums[int(labels[i])] += kernel
        found.append([value / sum(sums) for value in sums])
    return np.array(found)


def test_with_all_centres_it_is_the_dense_kernel():
    head, centres, labels = made(neighbours=40)
    x = torch.randn(7, 5)
    expected = by_loops(x, centres, labels, head.log_weights, 1.3, [range(40)] * 7)
    np.testing.assert_allclose(head(x).exp().detach(), expected, rtol=2e-5)


def test_only_the_nearest_count():
    head, centres, labels = made(neighbours=6)
    x = torch.randn(7, 5)
    nearest = torch.cdist(x, centres).argsort(1)[:, :6].tolist()
    expected = by_loops(x, centres, labels, head.log_weights, 1.3, nearest)
    np.testing.assert_allclose(head(x).exp().detach(), expected, rtol=2e-5)


def test_an_embedding_does_not_see_its_own_centre():
    head, centres, labels = made(neighbours=6)
    rows = torch.tensor([3, -1, 17])
    x = centres[[3, 8, 17]] + 0.01
    order = torch.cdist(x, centres).argsort(1)
    allowed = [[i for i in order[q].tolist() if i != rows[q]][:6] for q in range(3)]
    expected = by_loops(x, centres, labels, head.log_weights, 1.3, allowed)
    np.testing.assert_allclose(head(x, rows).exp().detach(), expected, rtol=2e-5)
    assert not np.allclose(head(x).exp().detach()[0], expected[0], rtol=1e-2)


def test_the_gradient_is_that_of_finite_differences():
    head = _Loss(made(neighbours=40)[0].double())
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    targets, rows = torch.tensor([0, 1, 2, 3]), torch.tensor([0, 5, 9, -1])
    weights = head.head.log_weights.detach().clone().requires_grad_()

    def loss(x, weights):
        given = {"head.log_weights": weights}
        return torch.func.functional_call(head, given, (x, targets, rows))

    assert torch.autograd.gradcheck(loss, (x, weights), atol=1e-6)


class _Loss(torch.nn.Module):
    def __init__(self, head):
        super().__init__()
        self.head = head

    def forward(self, *arguments):
        return self.head.loss(*arguments)


def test_a_class_without_a_neighbour_has_no_probability_but_a_gradient():
    head, centres, labels = made(neighbours=1)
    x = centres[:1].clone().requires_grad_()
    absent = int((labels[0] + 1) % 4)
    assert head(x)[0, absent] == -torch.inf
    loss = head.loss(x, torch.tensor([absent]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(x.grad).all()
    assert x.grad.abs().sum() > 0
    assert torch.isfinite(head.log_weights.grad).all()


def test_many_centres_are_searched_by_a_graph():
    head, centres, labels = made(n=3000, dim=5, neighbours=20)
    x = torch.randn(20, 5)
    nearest = torch.cdist(x, centres).argsort(1)[:, :20].tolist()
    expected = by_loops(x, centres, labels, head.log_weights, 1.3, nearest)
    np.testing.assert_allclose(head(x).exp().detach(), expected, atol=1e-3)


def test_the_bandwidth_is_the_median_distance_to_the_nearest_other():
    head, centres, _ = made(bandwidth=None)
    away = torch.cdist(centres, centres).fill_diagonal_(torch.inf).amin(1)
    assert head.bandwidth.item() == pytest.approx(away.median().item(), rel=1e-5)


def test_far_embeddings_give_neither_nan_nor_zero():
    head, _, _ = made(neighbours=10, bandwidth=1e-3)
    out = head(torch.full((2, 5), 1e3))
    assert not torch.isnan(out).any()
    np.testing.assert_allclose(out.exp().sum(1).detach(), 1, rtol=1e-5)


def test_training_moves_embeddings_to_their_class():
    torch.manual_seed(1)
    labels = torch.arange(60) % 3
    x = torch.randn(60, 8) + torch.nn.functional.one_hot(labels, 8)
    net = torch.nn.Linear(8, 4)
    head = NearestKernelHead(labels, 4, neighbours=20)
    optimizer = torch.optim.Adam([*net.parameters(), *head.parameters()], lr=0.03)
    losses = []
    for step in range(60):
        if step % 10 == 0:
            head.refresh(net(x))
        loss = head.loss(net(x), labels, torch.arange(60))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda h: h(torch.zeros(2, 4)), ValueError, r"x must have shape \(q, 5\)"),
        (lambda h: h(torch.zeros(2, 5), torch.zeros(3)), ValueError, "rows must have shape"),
        (lambda h: h.refresh(torch.zeros(3, 5)), ValueError, "embeddings must have shape"),
        (lambda h: h.refresh(torch.full((40, 5), torch.nan)), ValueError, "must be finite"),
        (lambda h: NearestKernelHead(torch.zeros(3), 2), TypeError, "labels must be integers"),
        (lambda h: NearestKernelHead(torch.tensor([-1]), 2), ValueError, "from 0 on"),
        (lambda h: NearestKernelHead(torch.tensor([0]), 0), ValueError, "dim must be at least 1"),
        (
            lambda h: NearestKernelHead(torch.tensor([0]), 2)(torch.zeros(1, 2)),
            RuntimeError,
            "call refresh",
        ),
        (
            lambda h: _alone().loss(torch.zeros(1, 1), torch.tensor([1]), torch.tensor([2])),
            ValueError,
            "class 1 has no centre but",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    head, _, _ = made()
    with pytest.raises(error, match=message):
        call(head)


def _alone():
    head = NearestKernelHead(torch.tensor([0, 0, 1]), 1, bandwidth=1.0)
    head.refresh(torch.tensor([[0.0], [1.0], [2.0]]))
    return head


def test_loaded_centres_are_those_that_are_searched():
    head, centres, labels = made(n=6, dim=2, classes=2, neighbours=1)
    x = torch.randn(5, 2)
    head(x)
    other = NearestKernelHead(labels, 2, neighbours=1, bandwidth=1.3)
    other.refresh(-centres)
    for holder, state in ((head, other), (torch.nn.Sequential(head), torch.nn.Sequential(other))):
        head.refresh(centres)
        head(x)
        holder.load_state_dict(state.state_dict())
        assert torch.equal(head(x), other(x))


@pytest.mark.parametrize(
    ("targets", "error", "said"),
    [
        (torch.zeros(1, dtype=torch.int64), ValueError, r"shape \(3,\)"),
        (torch.zeros(3, 1, dtype=torch.int64), ValueError, r"shape \(3,\)"),
        (torch.zeros(3), TypeError, "integers"),
        (torch.tensor([0, 1, 4]), ValueError, "0 to 3"),
    ],
)
def test_targets_that_do_not_fit_are_refused(targets, error, said):
    head, _, _ = made()
    with pytest.raises(error, match=said):
        head.loss(torch.randn(3, 5), targets)


def test_no_embedding_and_no_other_centre_are_refused():
    head, _, _ = made()
    with pytest.raises(ValueError, match="one or more embeddings"):
        head.loss(torch.empty(0, 5), torch.empty(0, dtype=torch.int64))
    alone, _, _ = made(n=1, classes=1)
    with pytest.raises(ValueError, match="embedding's own"):
        alone(torch.zeros(1, 5), torch.tensor([0]))


def test_the_bandwidth_passes_over_centres_that_coincide():
    head = NearestKernelHead(torch.tensor([0, 0, 1, 1]), 1)
    head.refresh(torch.tensor([[0.0], [0.0], [5.0], [9.0]]))
    assert head.bandwidth == 4.0
    head = NearestKernelHead(torch.tensor([0, 1]), 1)
    head.refresh(torch.zeros(2, 1))
    assert head.bandwidth == 1.0
