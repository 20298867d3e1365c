"""A plausible record, and the ways in which a real one is odd."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from bitgrove.report import Accuracy, Latency, Near, Query, Record, Size, Teaching

HOSTILE = (
    "<script>alert(1)</script>",
    "x" * 200,
    "a\x00b\u202ereversed",
    "not text: \udcff",
    "ثعلب",
    "\"quoted\" & 'odd' {{ 7 * 7 }}",
    '" onmouseover="alert(1)',
    "</title></style><!--",
)


def accuracy(images: str, correct: int, total: int) -> Accuracy:
    return Accuracy(model="binary, by neighbours", images=images, correct=correct, total=total)


def pixels(h: int, w: int, c: int) -> np.ndarray:
    return np.random.default_rng(h).integers(0, 256, (h, w, c), dtype=np.uint8)


def query(truth: str, answer: str, *, side: int = 8, channels: int = 1) -> Query:
    near = tuple(
        Near(
            pixels=pixels(side, side, channels) if i != 1 else None,
            name=f"train/{i}.png",
            label=(answer, truth, answer)[i],
            distance=1.2345 * (i + 1),
        )
        for i in range(3)
    )
    return Query(
        pixels=pixels(side, side, channels),
        name="test/17.png",
        truth=truth,
        answer=answer,
        confidence=0.8642,
        near=near,
    )


def confusion(classes: int, *, images: int = 40) -> np.ndarray:
    rng = np.random.default_rng(classes)
    counts = np.zeros((classes, classes), np.int64)
    truth = np.repeat(np.arange(classes), images)
    answer = np.where(rng.random(len(truth)) < 0.8, truth, rng.integers(0, classes, len(truth)))
    np.add.at(counts, (truth, answer), 1)
    return counts


@pytest.fixture
def record() -> Record:
    return Record(
        title="Handwritten digits",
        data="1,797 digits, 8 by 8 pixels; 0 to 7 were trained, 8 and 9 were taught.",
        command="bitgrove fit digits --out runs/digits --seed 0",
        counts={"train": 1078, "validation": 180, "test": 359},
        curve=tuple(
            {
                "epoch": float(e),
                "train_loss": 2.0 / e,
                "train_accuracy": 1 - 0.7 / e,
                "validation_loss": 2.1 / e,
                "validation_accuracy": 0.98 - 0.7 / e,
            }
            for e in range(1, 21)
        ),
        best_epoch=17,
        accuracy=(
            accuracy("test, digits 0-7", 281, 287),
            Accuracy(model="float32 twin", images="test, digits 0-7", correct=284, total=287),
        ),
        confusion_classes=tuple("0123456789"),
        confusion=confusion(10),
        confusion_of="binary, by neighbours",
        queries=(query("3", "3"), query("8", "1"), query("5", "5")),
        size=Size(network=31_244, examples=14_680, total=46_213, float32=452_108),
        latency=Latency(
            packed=(0.402, 0.4211, 0.455), torch=(1.212, 1.314, 1.618), runs=200, threads=1
        ),
        verification="On all 359 test images the integers are equal.",
        teaching=Teaching(
            classes=("8", "9"),
            examples=20,
            before=(accuracy("digits 0-7", 281, 287), accuracy("digits 8 and 9", 0, 72)),
            after=(accuracy("digits 0-7", 280, 287), accuracy("digits 8 and 9", 66, 72)),
        ),
        skipped=(("cats/broken.png", "truncated at byte 512"),),
        environment={"CPU": "two cores", "Seed": "0"},
    )


NAN = math.nan

ODD = {
    "two classes": lambda r: replace(
        r, confusion_classes=("cat", "dog"), confusion=np.array([[48, 2], [0, 50]])
    ),
    "fifty classes with hostile names": lambda r: replace(
        r,
        title=HOSTILE[0],
        command=HOSTILE[0],
        confusion_classes=(*HOSTILE, *(f"class {i}" for i in range(42))),
        confusion=confusion(50),
        queries=tuple(query(name, HOSTILE[0]) for name in HOSTILE),
        teaching=replace(r.teaching, classes=HOSTILE),
        skipped=tuple((name, name) for name in HOSTILE),
        environment={name: name for name in HOSTILE},
    ),
    "eight classes with hostile names": lambda r: replace(
        r, confusion_classes=HOSTILE, confusion=confusion(8)
    ),
    "three hundred classes": lambda r: replace(
        r, confusion_classes=tuple(f"class {i}" for i in range(300)), confusion=confusion(300)
    ),
    "no teaching": lambda r: replace(r, teaching=None),
    "one accuracy taught": lambda r: replace(
        r, teaching=replace(r.teaching, before=r.teaching.before[1:], after=r.teaching.after[1:])
    ),
    "one epoch": lambda r: replace(r, curve=r.curve[:1], best_epoch=1),
    "no epoch": lambda r: replace(r, curve=(), best_epoch=0),
    "losses missing": lambda r: replace(
        r,
        curve=(
            {"epoch": 1, "train_loss": NAN, "validation_loss": math.inf},
            {"epoch": 2, "train_loss": 1.0, "validation_loss": NAN},
        ),
        best_epoch=2,
    ),
    "constant curve": lambda r: replace(
        r, curve=tuple({"epoch": e, "train_loss": 0.0, "train_accuracy": 1.0} for e in (1, 2))
    ),
    "no images": lambda r: replace(
        r, accuracy=(accuracy("none", 0, 0),), confusion=np.zeros((10, 10), np.int64)
    ),
    "taught without test images": lambda r: replace(
        r,
        teaching=replace(
            r.teaching, before=(accuracy("old", 0, 0),) * 2, after=(accuracy("old", 0, 0),) * 2
        ),
    ),
    "no accuracy": lambda r: replace(r, accuracy=()),
    "no classes": lambda r: replace(r, confusion_classes=(), confusion=np.zeros((0, 0), np.int64)),
    "nothing skipped": lambda r: replace(r, skipped=()),
    "thousands skipped": lambda r: replace(
        r, skipped=tuple((f"folder/{i}.png", f"reason {i % 9}") for i in range(2500))
    ),
    "no queries": lambda r: replace(r, queries=()),
    "colour pictures": lambda r: replace(
        r, queries=tuple(query("3", "8", side=224, channels=3) for _ in range(6))
    ),
    "no neighbours": lambda r: replace(
        r, queries=(replace(r.queries[0], near=(), confidence=NAN),)
    ),
    "infinite distance": lambda r: replace(
        r,
        queries=(replace(r.queries[0], near=(replace(r.queries[0].near[0], distance=math.inf),)),),
    ),
    "not timed": lambda r: replace(
        r, latency=Latency(packed=(NAN,) * 3, torch=(NAN,) * 3, runs=0, threads=1)
    ),
    "zero time": lambda r: replace(
        r, latency=Latency(packed=(0.0,) * 3, torch=(1.0,) * 3, runs=1, threads=1)
    ),
    "larger than float32": lambda r: replace(
        r, size=Size(network=500, examples=400, total=900, float32=450)
    ),
    "empty": lambda r: replace(
        r,
        title="",
        data="",
        command="",
        counts={},
        environment={},
        verification="",
        size=Size(network=0, examples=0, total=0, float32=0),
    ),
}


@pytest.fixture(params=ODD)
def odd(request: pytest.FixtureRequest, record: Record) -> Record:
    return ODD[request.param](record)
