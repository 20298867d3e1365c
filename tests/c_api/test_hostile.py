"""What Python refuses, C refuses too; and mutated files get the same answer of both."""

import json

import numpy as np
import pytest

from bitgrove import files, runtime

from ..files import test_container as containers
from ..programs import ROOT
from ..runtime import test_hostile_files as forgeries
from ..runtime import test_sharing as sharing
from . import fuzz
from .native import RefusedError


def cases(test):
    """The parameters of a test elsewhere."""
    return next(mark.args[1] for mark in test.pytestmark if mark.name == "parametrize")


def assert_refused_by_both(library, path, reason=".+"):
    with pytest.raises(files.FileFormatError):
        runtime.load(path)
    with pytest.raises(RefusedError, match=f"{path.name}.*{reason}"):
        library.open(path)
    with pytest.raises(RefusedError, match=reason):
        library.open(path.read_bytes())


def takes_without_examples(path):
    """Whether Python takes a model once its examples are gone, which the C reader leaves alone."""
    tensors, metadata = files.read(path, kind="grove", version=3)
    metadata.pop("examples", None)
    tensors = {n: array for n, array in tensors.items() if not n.startswith("examples.")}
    other = path.with_name("other.grove")
    files.write(other, tensors, metadata, kind="grove", version=2)
    try:
        runtime.load(other)
    except files.FileFormatError:
        return False
    return True


FORGERIES = cases(forgeries.test_a_forgery_with_right_checksums_is_refused)


@pytest.mark.parametrize("edit", FORGERIES)
def test_a_forged_model_is_refused_unless_only_its_examples_are_wrong(library, model_path, edit):
    forgeries.forge(model_path, edit)
    if takes_without_examples(model_path):
        assert library.open(model_path).shape == (1, 8, 8)
    else:
        assert_refused_by_both(library, model_path)


def test_most_forgeries_are_not_of_examples():
    assert len(FORGERIES) > 50


def spellable(node):
    """Whether JSON can hold the node's attributes, which it cannot if they are NaN or infinite."""
    try:
        json.dumps(node.attributes, allow_nan=False)
    except ValueError:
        return False
    return True


NODES = [
    node
    for node, _ in cases(forgeries.test_a_forged_node_is_refused_before_memory_is_taken)
    if spellable(node)
]


@pytest.mark.parametrize("node", NODES)
def test_a_forged_node_is_refused(library, node, tmp_path):
    values = {
        "op": node.op,
        "name": node.name,
        "inputs": list(node.inputs),
        "attributes": node.attributes,
        "tensors": list(node.tensors),
    }
    network = {"input": [3, 8, 8], "nodes": [values], "logits": 1, "embedding": 1}
    tensors = {f"{node.name}.{role}": array for role, array in node.tensors.items()}
    path = tmp_path / "m.grove"
    files.write(path, tensors, {"network": network}, kind="grove", version=2)
    assert_refused_by_both(library, path)


SHARES = [shared for shared, _ in cases(sharing.test_a_forged_share_is_refused)]


@pytest.mark.parametrize("shared", SHARES)
def test_a_forged_share_is_refused(library, shared, tmp_path):
    path = tmp_path / "m.grove"
    sharing.tied().save(path)
    assert library.open(path).shape == (8, 5, 5)
    sharing.forge(path, lambda _, nodes: nodes[1].update(shared=shared))
    assert_refused_by_both(library, path)


def test_sharing_cannot_make_a_large_network_of_a_small_file(library, tmp_path):
    path = tmp_path / "m.grove"
    artifact = sharing.tied(2, bias=False)
    artifact.graph.nodes[0].tensors["weight"] = np.zeros((8, 3, 3, 8 * 1024), np.float32)
    artifact.save(path)

    def edit(_, nodes):
        shared = {**nodes[0], "tensors": [], "shared": {"weight": "conv0.weight"}}
        nodes[1:] = [{**shared, "name": f"n{i}", "inputs": [0]} for i in range(9_999)]

    sharing.forge(path, edit)
    assert_refused_by_both(library, path, "too many bytes of tensors are shared")


def test_nodes_of_one_name_and_values_that_come_later_are_refused(library, tmp_path):
    path = tmp_path / "m.grove"
    relu = {"op": "relu", "name": "a", "inputs": [0], "attributes": {}, "tensors": []}
    for other, reason in [
        ({}, "names must be unique"),
        ({"name": "b", "inputs": [2]}, "earlier values 0 to 1"),
        ({"name": "b", "inputs": [-1]}, "earlier values 0 to 1"),
    ]:
        nodes = [relu, relu | other]
        network = {"input": [1, 2], "nodes": nodes, "logits": 2, "embedding": 2}
        files.write(path, {}, {"network": network}, kind="grove", version=2)
        assert_refused_by_both(library, path, reason)


def test_a_reason_is_one_line_of_utf_8_whatever_the_file_holds(library, tmp_path):
    path = tmp_path / "m.grove"
    node = {"op": "\ud800\n木", "name": "\n", "inputs": [0], "attributes": {}, "tensors": []}
    network = {"input": [1, 2], "nodes": [node], "logits": 1, "embedding": 1}
    files.write(path, {}, {"network": network}, kind="grove", version=2)
    with pytest.raises(RefusedError, match="木"):
        library.open(path)


@pytest.fixture
def container(model_path):
    """A good model with the tensors that the forged headers speak of."""
    tensors, metadata = files.read(model_path, kind="grove", version=2)
    tensors["weights"] = np.arange(8 * 3 * 3 * 4, dtype=np.uint8).reshape(8, 3, 3, 4)
    files.write(model_path, tensors, metadata, kind="grove", version=2)
    return model_path


HEADERS = [edit for edit, _ in cases(containers.test_a_forged_header_is_refused_with_the_reason)]


@pytest.mark.parametrize("edit", HEADERS)
def test_a_forged_header_is_refused(library, container, edit):
    assert library.open(container).shape == (1, 8, 8)
    containers.rewrite_header(container, edit)
    assert_refused_by_both(library, container)


RAW = [raw for raw, _ in cases(containers.test_a_file_that_is_no_container_is_refused)]


@pytest.mark.parametrize("raw", RAW)
def test_a_file_that_is_no_container_is_refused(library, raw, tmp_path):
    path = tmp_path / "m.grove"
    path.write_bytes(raw)
    assert_refused_by_both(library, path)


@pytest.mark.parametrize("version", [1, 5])
def test_another_version_is_refused(library, model_path, version):
    tensors, metadata = files.read(model_path, kind="grove", version=2)
    files.write(model_path, tensors, metadata, kind="grove", version=version)
    assert_refused_by_both(library, model_path)


def test_every_truncation_is_refused(library):
    raw = fuzz.make_models()[0]
    for length in range(len(raw)):
        with pytest.raises(RefusedError, match="at byte"):
            library.open(raw[:length])


def test_a_folder_and_a_missing_file_are_named(library, tmp_path):
    for path in (tmp_path, tmp_path / "none.grove", tmp_path / "none" / "m.grove"):
        with pytest.raises(RefusedError, match=f"{path}: "):
            library.open(path)


def test_a_thousand_mutated_files_crash_no_reader_and_both_agree(link):
    """`make fuzz` tries ten thousand, under the sanitizers."""
    program = link(ROOT / "csrc" / "c_api" / "load_cases.c")
    outcomes = fuzz.main([str(program), "--count", "1000", "--seed", "1"])
    assert outcomes["refused"] > 500
    assert outcomes["loaded"] > 30
    assert outcomes["refused by C alone"] < 20
