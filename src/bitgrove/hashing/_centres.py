"""Codes that are far from each other, one for each class."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ._checks import check_whole

Signs = npt.NDArray[np.int8]


def hash_centres(classes: int, bits: int, *, seed: int = 0) -> Signs:
    """A code for each class: rows of a Hadamard matrix where there is one, else drawn at random.

    Two rows of a Hadamard matrix differ in exactly half of their bits. For more classes than bits
    its negative is used too, whose rows differ in all or in half. Where no matrix of this order is
    known here, or the classes are more than ``2 * bits``, every bit is a fair coin, drawn again
    until no two classes have one code.

    Source: Yuan et al., "Central Similarity Quantization for Efficient Image and Video Retrieval",
    CVPR 2020, algorithm 1, which knows the orders 2**k alone; for those of 12, 24, 36 and 48 see
    :func:`hadamard`. Which row a class has is drawn by ``seed``; the first row, all ones, comes
    last, so that it is in use only if there are as many classes as bits.

    Args:
        classes: at least 2, at most ``2**bits``.
        bits: length of a code, at least 1.
        seed: 0 or more.

    Returns:
        ``int8[classes, bits]`` of +1 and -1.

    Raises:
        TypeError, ValueError: an argument is out of range.

    >>> centres = hash_centres(10, 12)
    >>> np.unique((centres[:, None] != centres[None]).sum(2))
    array([0, 6])
    """
    check_whole(2, classes=classes)
    check_whole(1, bits=bits)
    check_whole(0, seed=seed)
    if bits < math.log2(classes):
        raise ValueError(f"{bits} bits have no {classes} different codes; ask for more bits")
    random = np.random.default_rng(seed)
    matrix = hadamard(bits)
    if matrix is not None and classes <= 2 * bits:
        others = 1 + random.permutation(bits - 1)
        rows = matrix[np.append(others, 0)]
        return np.concatenate([rows, -rows])[:classes]
    centres = np.zeros((0, bits), np.int8)
    while len(centres) < classes:
        drawn = 2 * random.integers(0, 2, (classes, bits), np.int8) - 1
        both = np.concatenate([centres, drawn])
        _, first = np.unique(both, axis=0, return_index=True)
        centres = both[np.sort(first)][:classes]
    return centres


def hadamard(order: int) -> Signs | None:
    """A matrix of +1 and -1 with orthogonal rows and a first row of ones, or None.

    Orders 1 and 2, those that Paley's two constructions give for a prime (``q + 1`` for
    ``q = 3 mod 4``, ``2 (q + 1)`` for ``q = 1 mod 4``), and all of these doubled (Sylvester).
    Among multiples of 4 up to 100 those of 52, 92 and 100 are missing.

    Source: Paley, "On orthogonal matrices", Journal of Mathematics and Physics 12, 1933.

    Args:
        order: at least 1.

    Raises:
        TypeError, ValueError: it is no integer in its range.

    >>> hadamard(4)
    array([[ 1,  1,  1,  1],
           [ 1, -1,  1, -1],
           [ 1,  1, -1, -1],
           [ 1, -1, -1,  1]], dtype=int8)
    >>> [order for order in range(1, 50) if hadamard(order) is not None]
    [1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48]
    """
    check_whole(1, order=order)
    if order == 1:
        return np.ones((1, 1), np.int8)
    if order % 2 or (order > 2 and order % 4):
        return None
    half = hadamard(order // 2)
    if half is not None:
        return np.kron(np.array([[1, 1], [1, -1]], np.int8), half)
    if _is_prime(order - 1):
        # order - 1 = 3 mod 4: ones around the skew matrix of residues, less the identity.
        matrix = _bordered(order - 1, -1)
        matrix += np.eye(order, dtype=np.int8)
    elif _is_prime(order // 2 - 1) and order // 2 % 4 == 2:
        symmetric = _bordered(order // 2 - 1, 1)
        matrix = np.kron(symmetric, np.array([[1, 1], [1, -1]], np.int8))
        matrix += np.kron(np.eye(order // 2, dtype=np.int8), np.array([[1, -1], [-1, -1]], np.int8))
    else:
        return None
    return matrix * matrix[:1]  # columns turned round, so that the first row is of ones


def _bordered(q: int, below: int) -> Signs:
    """Which differences are squares, with a border of ones, ``below`` on the left, 0 between."""
    squares = np.unique(np.arange(1, q) ** 2 % q)
    character = np.full(q, -1, np.int8)
    character[squares], character[0] = 1, 0
    matrix = np.empty((q + 1, q + 1), np.int8)
    matrix[0, 0], matrix[0, 1:], matrix[1:, 0] = 0, 1, below
    places = np.arange(q)
    matrix[1:, 1:] = character[(places[:, None] - places) % q]
    return matrix


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % d for d in range(2, math.isqrt(number) + 1))
