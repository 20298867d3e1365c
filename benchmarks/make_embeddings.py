"""A million real float embeddings and their binary codes, with exact nearest neighbours.

A small convolutional network learns here to recognise a patch of a picture after it was moved,
turned, scaled and recoloured (InfoNCE, no labels), on Tiny ImageNet. Then it describes 32x32
patches of the BSDS500 photographs at four scales: 1,000,000 of 425 photographs as the base, 10,000
of 30 others as queries. One head gives 128 floats of length 1, another 256 bits: the signs of
outputs that are normalised over the batch while it learns. No embedding is an integer; their local
dimension is that of SIFT descriptors (21 against 22 on the 100 nearest neighbours).

    python benchmarks/make_embeddings.py OUT --pictures DIR [--steps 600] [--base 1000000]

writes ``base.npy`` and ``query.npy`` (float32), ``groundtruth.npy`` and ``gt_dist.npy`` (rows and
squared distances of the 100 nearest), ``base_codes.npy`` and ``query_codes.npy`` (uint8, 32 bytes a
row), ``base_image.npy``, ``query_image.npy`` and ``meta.json``. DIR holds ``load.py`` with
``tiny_imagenet()``, and ``sift/bsds500_images_jpeg.npz``. One thread and about ten minutes; the
same seed gives the same arrays on the same machine.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from _search_truth import exact_l2
from torch import Tensor, nn

SCALES = (1.0, 1.25, 0.8, 0.64)
QUERY_PICTURES, LEARN_PICTURES, PHOTOGRAPH_SEED = 30, 45, 20240
"""The same split of the photographs as that of the SIFT descriptors."""


class Describer(nn.Module):
    """32x32 patches to embeddings and bits; larger pictures give one of each every 8 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_layer(3, 24, 5, 2),
            *_layer(24, 48, 3, 1),
            *_layer(48, 64, 3, 2),
            *_layer(64, 64, 3, 1),
            *_layer(64, 96, 3, 2),
        )
        self.embed = nn.Conv2d(96, 128, 4)
        self.bits = nn.Sequential(nn.Conv2d(96, 256, 4), nn.BatchNorm2d(256, affine=False))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of length 1, ``(n, 128, h, w)``, and what becomes bits, ``(n, 256, h, w)``."""
        shared = self.body(pictures)
        return F.normalize(self.embed(shared), dim=1), self.bits(shared)


def _layer(inputs: int, outputs: int, size: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--pictures", type=Path, required=True, help="folder with load.py")
    parser.add_argument("--steps", type=int, default=600, help="of training")
    parser.add_argument("--batch", type=int, default=256, help="patches of a step, seen twice each")
    parser.add_argument("--base", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    torch.use_deterministic_algorithms(True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    load = _module(arguments.pictures / "load.py")
    seconds: dict[str, float] = {}

    started = time.perf_counter()
    network = Describer()
    learnt = train(network, load.tiny_imagenet()[0], arguments.steps, arguments.batch)
    seconds["training"] = round(time.perf_counter() - started, 1)

    started = time.perf_counter()
    photographs = load.decode_pack(str(arguments.pictures / "sift" / "bsds500_images_jpeg.npz"))
    order = np.random.default_rng(PHOTOGRAPH_SEED).permutation(len(photographs))
    parts = {
        "query": (order[:QUERY_PICTURES], arguments.queries),
        "base": (order[QUERY_PICTURES + LEARN_PICTURES :], arguments.base),
    }
    arrays: dict[str, npt.NDArray] = {}
    for name, (pictures, count) in parts.items():
        rows, codes, source = describe(network, photographs, pictures, count, arguments.seed)
        arrays |= {name: rows, f"{name}_codes": codes, f"{name}_image": source}
    seconds["describing"] = round(time.perf_counter() - started, 1)

    started = time.perf_counter()
    arrays["groundtruth"], arrays["gt_dist"] = exact_l2(arrays["base"], arrays["query"])
    seconds["ground_truth"] = round(time.perf_counter() - started, 1)
    for name, array in arrays.items():
        np.save(arguments.out / f"{name}.npy", array)
    meta = {
        "rows": {name: len(arrays[name]) for name in parts},
        "training": learnt,
        "bits_set": [round(float(v), 3) for v in _share_set(arrays["base_codes"])],
        "seconds": seconds,
        "seed": arguments.seed,
        "torch": torch.__version__,
        "sha256": {n: hashlib.sha256(a.tobytes()).hexdigest() for n, a in arrays.items()},
    }
    (arguments.out / "meta.json").write_text(json.dumps(meta, indent=1) + "\n")
    print(json.dumps({"training": learnt, "seconds": seconds}))


def train(
    network: Describer, pictures: npt.NDArray[np.uint8], steps: int, batch: int
) -> dict[str, float]:
    """Two views of each patch of a batch must find each other among all views of the others."""
    held = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    network.train()
    target = torch.arange(batch)
    embedded = coded = 0.0
    for step in range(steps):
        chosen = held[torch.randint(len(held), (batch,))].float() / 255
        centre = torch.rand(batch, 2) - 0.5
        views = torch.cat([view(chosen, centre), view(chosen, centre)])
        rows, bits = network(views)
        rows, bits = rows.flatten(1), F.normalize(torch.tanh(bits.flatten(1)), dim=1)
        loss = torch.zeros(())
        for found, heat in ((rows, 0.07), (bits, 0.1)):
            likeness = found[:batch] @ found[batch:].T / heat
            loss = loss + F.cross_entropy(likeness, target) + F.cross_entropy(likeness.T, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step >= steps - 20:
            embedded += _matched(rows, batch) / 20
            coded += _matched(bits, batch) / 20
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)
    return {"matched_of_last_batches": round(embedded, 4), "the_same_in_bits": round(coded, 4)}


def _matched(rows: Tensor, batch: int) -> float:
    nearest = (rows[:batch] @ rows[batch:].T).argmax(dim=1)
    return (nearest == torch.arange(batch)).float().mean().item()


def view(pictures: Tensor, centre: Tensor) -> Tensor:
    """32x32 patches near ``centre``, each turned, scaled, moved and recoloured a little."""
    count = len(pictures)
    angle = (torch.rand(count) - 0.5) * 0.6
    scale = 0.5 * torch.exp((torch.rand(count) - 0.5) * 0.5)
    cosine, sine = scale * torch.cos(angle), scale * torch.sin(angle)
    moved = centre + (torch.rand(count, 2) - 0.5) * 0.15
    first = torch.stack([cosine, -sine, moved[:, 0]], dim=1)
    second = torch.stack([sine, cosine, moved[:, 1]], dim=1)
    grid = F.affine_grid(torch.stack([first, second], dim=1), [count, 3, 32, 32], False)
    patches = F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
    gain = 1 + (torch.rand(count, 3, 1, 1) - 0.5) * 0.3
    shift = (torch.rand(count, 1, 1, 1) - 0.5) * 0.2
    noise = torch.randn_like(patches) * 0.02 * torch.rand(count, 1, 1, 1)
    return _centred(patches * gain + shift + noise)


def _centred(pictures: Tensor) -> Tensor:
    """About -1 to 1; what the network takes, in training and later."""
    return (pictures - 0.45) * 4


def describe(
    network: Describer,
    photographs: list[npt.NDArray[np.uint8]],
    chosen: npt.NDArray[np.integer],
    count: int,
    seed: int,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], npt.NDArray[np.int16]]:
    """``count`` embeddings, codes and sources, drawn from all places of the chosen photographs."""
    network.eval()
    rows, codes, sources = [], [], []
    each = -(-count // len(chosen))
    for picture in chosen:
        pixels = torch.from_numpy(photographs[picture].transpose(2, 0, 1).copy())[None] / 255
        floats, bits = [], []
        for scale in SCALES:
            with torch.no_grad():
                scaled = F.interpolate(
                    pixels, scale_factor=scale, mode="bilinear", antialias=scale < 1
                )
                embedding, raised = network(_centred(scaled))
            floats.append(embedding[0].flatten(1).T.numpy())
            bits.append(np.packbits(raised[0].flatten(1).T.numpy() >= 0, 1, bitorder="little"))
        own, own_bits = np.concatenate(floats), np.concatenate(bits)
        kept = np.random.default_rng([seed, int(picture)]).permutation(len(own))[:each]
        rows.append(own[kept])
        codes.append(own_bits[kept])
        sources.append(np.full(len(kept), picture, np.int16))
    found = [np.concatenate(part) for part in (rows, codes, sources)]
    if len(found[0]) < count:
        raise SystemExit(f"the photographs have {len(found[0])} patches, {count} are wanted")
    shuffled = np.random.default_rng(seed).permutation(len(found[0]))[:count]
    return found[0][shuffled], found[1][shuffled], found[2][shuffled]


def _share_set(codes: npt.NDArray[np.uint8]) -> tuple[float, float, float]:
    """Least, median and greatest share of ones over the bits."""
    shares = np.unpackbits(codes[:: max(1, len(codes) // 20_000)], axis=1).mean(axis=0)
    return float(shares.min()), float(np.median(shares)), float(shares.max())


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("load", path)
    if spec is None or spec.loader is None or not path.exists():
        raise SystemExit(f"there is no {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
