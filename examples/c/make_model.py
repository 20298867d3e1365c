"""Trains a small binary network on scikit-learn's digits, and packs it for ``classify.c``.

    python examples/c/make_model.py FOLDER

writes ``FOLDER/digits.grove`` and ``FOLDER/digit.pgm``, a digit that was not trained on.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits

import bitgrove as bg


def main(folder: Path) -> None:
    """Takes some seconds; right for about 9 of 10 digits."""
    torch.manual_seed(0)
    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, :, :, None]
    preprocessing = bg.runtime.Preprocessing(8, 8, 1, (0.3,), (0.4,))
    x, y = torch.from_numpy(preprocessing.normalise(pixels)), torch.from_numpy(digits.target)
    model = bg.models.create("birealnet_small", width=16, num_classes=10)
    optimizer = torch.optim.Adam(model.parameters(), 0.005)
    for _ in range(5):
        for batch in torch.randperm(1500).split(50):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
    model.eval()
    labels = [str(i) for i in range(10)]
    artifact = bg.export.pack(model, x[:1], labels=labels, preprocessing=preprocessing)
    folder.mkdir(parents=True, exist_ok=True)
    artifact.save(folder / "digits.grove")
    Image.fromarray(pixels[1600, :, :, 0]).save(folder / "digit.pgm")
    right = (
        bg.runtime.load(folder / "digits.grove").run(x[1500:].numpy()).argmax(1) == y[1500:].numpy()
    )
    print(f"right for {right.mean():.0%} of digits not trained on; digit.pgm is a {y[1600]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
