"""What the leaves of soft trees hold, learnt with the splits as they are."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_EMPTY = 1e-30
"""Less weight than this in a leaf says nothing, and the leaf stays as it is."""
_NARROW = 1e-6
"""Least variance of a leaf, as a share of the variance of all targets."""


def em_distributions(
    log_leaves: Tensor, labels: Tensor, distributions: Tensor, iterations: int
) -> Tensor:
    """Class distributions of the leaves by expectation-maximisation, tree by tree.

    ``pi_l(y) <- 1/Z_l * sum over the samples of class y of pi_l(y) mu_l / P(y)`` with
    ``P(y) = sum over l of mu_l pi_l(y)``; each step raises the likelihood of each tree, or leaves
    it. The rule multiplies, so it must not begin at 0.

    Source: Kontschieder et al., Deep Neural Decision Forests, ICCV 2015, eq. 11.

    Args:
        log_leaves: log-probabilities of arriving, ``(n, trees, leaves)``.
        labels: ``int64[n]``.
        distributions: where to begin, ``(trees, leaves, classes)``.
        iterations: how often.

    Returns:
        New distributions of the same shape and type; a leaf that no sample reaches keeps its own.
    """
    classes = distributions.shape[-1]
    shifted = log_leaves.double() - log_leaves.double().amax(-1, keepdim=True)
    arrivals = shifted.exp().transpose(0, 1)  # (trees, n, leaves); a factor per sample cancels
    of_class = torch.nn.functional.one_hot(labels, classes).double()
    now = distributions.double()
    for _ in range(iterations):
        likelihood = (arrivals * now[:, :, labels].transpose(1, 2)).sum(-1, keepdim=True)
        shares = torch.where(likelihood > 0, arrivals / likelihood, 0.0)
        counts = now * (shares.transpose(1, 2) @ of_class)
        total = counts.sum(-1, keepdim=True)
        now = torch.where(total > _EMPTY, counts / total.clamp_min(_EMPTY), now)
    return now.to(distributions.dtype)


def mean_values(log_leaves: Tensor, targets: Tensor, values: Tensor) -> Tensor:
    """Means of the targets, weighted by the probabilities of arriving.

    Source: the regression of Li and Cheng, Visualizing the Decision-Making Process in Deep Neural
    Decision Forest, CVPRW 2019 (supplement).

    Args:
        log_leaves: ``(n, trees, leaves)``.
        targets: ``(n, outputs)``.
        values: kept by leaves that no sample reaches, ``(trees, leaves, outputs)``.
    """
    weights = log_leaves.double().exp().permute(1, 2, 0)
    total = weights.sum(-1, keepdim=True)
    means = (weights @ targets.double()) / total.clamp_min(_EMPTY)
    return torch.where(total > _EMPTY, means, values.double()).to(values.dtype)


def em_gaussians(
    log_leaves: Tensor, targets: Tensor, values: Tensor, variances: Tensor, iterations: int
) -> tuple[Tensor, Tensor]:
    """A Gaussian in each leaf by expectation-maximisation, tree by tree.

    A sample belongs to leaf ``l`` with ``mu_l N(y; m_l, v_l) / sum``; mean and variance are those
    of what belongs to the leaf. Where all leaves begin with the same Gaussian, the first step has
    the probabilities of arriving alone.

    Source: the code of Li and Cheng, CVPRW 2019, for one output. Differences: outputs are
    independent within a leaf (a full covariance is singular as soon as a leaf holds fewer samples
    than outputs), a variance stays above a millionth of that of all targets, a leaf that no sample
    reaches keeps what it has, and likelihoods are computed in logarithms.

    Args:
        log_leaves: ``(n, trees, leaves)``.
        targets: ``(n, outputs)``.
        values: means, ``(trees, leaves, outputs)``.
        variances: of the same shape.
        iterations: how often.

    Returns:
        New means and variances.
    """
    centre = targets.double().mean(0)
    y, means, spreads = targets.double() - centre, values.double() - centre, variances.double()
    least = (_NARROW * y.square().mean(0)).clamp_min(1e-12)
    leaves = log_leaves.double().transpose(0, 1)  # (trees, n, leaves)
    for _ in range(iterations):
        joint = leaves + log_gaussians(y, means, spreads)
        member = (joint - joint.logsumexp(-1, keepdim=True)).exp().transpose(1, 2)
        total = member.sum(-1, keepdim=True)
        new = (member @ y) / total.clamp_min(_EMPTY)
        square = (member @ y.square()) / total.clamp_min(_EMPTY)
        reached = total > _EMPTY
        means = torch.where(reached, new, means)
        spreads = torch.where(reached, (square - new.square()).clamp_min(least), spreads)
    return (means + centre).to(values.dtype), spreads.to(variances.dtype)


def log_gaussians(targets: Tensor, means: Tensor, variances: Tensor) -> Tensor:
    """Log-density of every target in every leaf: ``(trees, n, leaves)``, in float64.

    ``(y - m)² / v`` is summed over the outputs as three products of matrices, which need no tensor
    of samples by leaves by outputs. Targets far from 0 lose digits: centre them.
    """
    y, m, v = targets.double(), means.double(), variances.double()
    inverse = v.reciprocal()
    square = y.square() @ inverse.transpose(1, 2) - 2 * (y @ (m * inverse).transpose(1, 2))
    square = square + (m.square() * inverse).sum(-1)[:, None]
    constant = v.log().sum(-1)[:, None] + y.shape[1] * math.log(2 * math.pi)
    return -0.5 * (square.clamp_min(0) + constant)
