import numpy as np
import pytest

from bitgrove.runtime import Artifact, Examples, Graph, Node, Preprocessing, Session


def pictures(n: int, seed: int = 0) -> list[np.ndarray]:
    """Grey pictures of noise; number ``i`` is darker or brighter by ``i % 3``."""
    noise = np.random.default_rng(seed).integers(0, 80, (n, 8, 8), dtype=np.uint8)
    return list(noise + (np.arange(n) % 3 * 80).astype(np.uint8)[:, None, None])


def make_artifact(*, dim: int = 16, classes: int = 3, examples: int = 60) -> Artifact:
    """A small model without torch: real stem, one binary convolution, pooling, a head."""
    rng = np.random.default_rng(0)
    conv = {"stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1}

    def real(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    graph = Graph(
        input=(1, 8, 8),
        nodes=(
            Node("conv2d", "stem", (0,), {**conv, "pad_value": 0}, {"weight": real(dim, 3, 3, 1)}),
            Node("sign", "layer.sign", (1,), {"groups": 1}, {"threshold": real(dim)}),
            Node(
                "binary_conv2d",
                "layer",
                (2,),
                {**conv, "pad_value": -1},
                {
                    "weight": rng.integers(0, 256, (dim, 3, 3, dim // 8), dtype=np.uint8),
                    "scale": real(dim),
                    "bias": real(dim),
                },
            ),
            Node("add", "sum", (1, 3)),
            Node("adaptive_avg_pool", "pool", (4,), {"size": [1, 1]}),
            Node(
                "conv2d",
                "head",
                (5,),
                {**conv, "padding": [0, 0], "pad_value": 0},
                {"weight": real(classes, 1, 1, dim), "bias": real(classes)},
            ),
        ),
        logits=6,
        embedding=5,
    )
    names = [f"class-{i}" for i in range(classes)]
    artifact = Artifact(graph, names, Preprocessing(8, 8, 1, (0.5,), (0.25,)))
    session = Session(artifact)
    embeddings = session.embed(session.preprocessing(pictures(examples, seed=1)))
    labels = np.arange(examples) % classes
    artifact.examples = Examples.build(
        embeddings, labels, [f"ü/{i}.png" for i in range(examples)], names
    )
    return artifact


@pytest.fixture
def artifact() -> Artifact:
    return make_artifact()


@pytest.fixture
def model_path(artifact, tmp_path):
    path = tmp_path / "m.grove"
    artifact.save(path)
    return path
