"""Algorithm 1 of the smart-mining paper as explicit loops, on lists by brute force."""

import numpy as np


def lists_of(rows, k):
    """Squared distances and numbers of the k nearest of every row, itself among them."""
    values = ((rows[:, None, :].astype(np.float64) - rows[None, :, :]) ** 2).sum(-1)
    ids = np.argsort(values, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(values, ids, axis=1).astype(np.float32), ids


def walk(anchor, distances, ids, labels, kappa):
    """The negatives in order, and each positive with its snapshot of the negatives before it."""
    negatives, positives = [], []
    bound = None
    for distance, image in zip(distances.tolist(), ids.tolist(), strict=True):
        if image in (anchor, -1):
            continue
        is_positive = labels[image] == labels[anchor]
        if bound is None:
            if not is_positive:
                continue
            bound = kappa * distance
        if distance < bound:
            continue
        if is_positive:
            positives.append((image, list(negatives)))
        else:
            negatives.append(image)
    return negatives, positives


def mined(anchor, distances, ids, labels, kappa, wanted):
    """Pairs of a negative and the set of positives that may go with it, one of them drawn."""
    negatives, positives = walk(anchor, distances, ids, labels, kappa)
    outside = {
        image
        for image in range(len(labels))
        if labels[image] == labels[anchor] and image != anchor and image not in ids
    }
    found = []
    while negatives and len(found) < wanted:
        negative = negatives.pop(0)
        match = next((image for image, before in positives if negative in before), None)
        choice = {match} if match is not None else outside
        if not choice:
            break
        found.append((negative, choice))
    return found
