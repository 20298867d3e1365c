"""Networks are kept between calls, and never used after a tensor of theirs was written to."""

import threading

import pytest
import torch

from bitgrove import ops
from bitgrove.ops import _networks


def fresh(x, weight, **operands):
    """Oracle: the operator on tensors that no network was made for yet."""
    return ops.binary_linear(x, weight.clone(), **{k: v.clone() for k, v in operands.items()})


@pytest.fixture
def built(monkeypatch):
    """Counts the networks that are built."""
    count = []
    build = _networks._build
    monkeypatch.setattr(_networks, "_cache", _networks._Cache(_networks._LIMIT))
    monkeypatch.setattr(_networks, "_build", lambda *args: count.append(1) or build(*args))
    return count


def drawn():
    return torch.randn(3, 20), ops.pack_weight(torch.randn(6, 20))


def test_a_second_call_builds_nothing(built):
    x, weight = drawn()
    for rows in (x, x[:1], torch.randn(5, 2, 20)):
        ops.binary_linear(rows, weight)
        ops.binary_linear(rows, weight.detach())  # another tensor, the same memory
    assert len(built) == 1
    ops.binary_weight_linear(x, weight)
    assert len(built) == 2


def test_one_weight_serves_several_windows_and_sizes(built):
    weight = ops.pack_weight(torch.randn(6, 20, 3))
    x = torch.randn(2, 40, 9)
    windows = [
        {"groups": 2},
        {"groups": 2, "padding": 1},
        {"groups": 2, "padding": 1, "pad_value": 1},
        {"groups": 2, "stride": 2},
        {"groups": 2, "dilation": 2},
        {},
    ]
    for _ in range(2):
        for window in windows:
            pictures = x if window else x[:, :20]
            for rows in (pictures, pictures[..., :7]):
                expected = ops.binary_conv(rows, weight.clone(), **window)
                assert torch.equal(ops.binary_conv(rows, weight, **window), expected)


def test_what_torch_writes_is_seen(built):
    x, weight = drawn()
    scale, bias, threshold = torch.rand(6), torch.rand(6), torch.rand(20)
    flip = torch.zeros(3, dtype=torch.uint8)
    operands = {"scale": scale, "bias": bias, "threshold": threshold, "flip": flip}
    seen = [ops.binary_linear(x, weight, **operands)]
    for write in (
        lambda: weight.copy_(ops.pack_weight(torch.randn(6, 20))),
        lambda: weight[0].zero_(),  # through a view
        lambda: scale.mul_(2),
        lambda: bias.add_(1),
        lambda: threshold.sub_(0.7),
        lambda: flip.fill_(160),
    ):
        write()
        y = ops.binary_linear(x, weight, **operands)
        assert torch.equal(y, fresh(x, weight, **operands))
        assert not torch.equal(y, seen[-1])
        seen.append(y)


def test_what_is_written_in_inference_mode_is_seen(built):
    x, weight = drawn()
    other = ops.pack_weight(torch.randn(6, 20))
    with torch.inference_mode():
        inference = weight.clone()
        for tensor in (weight, inference):
            before = ops.binary_linear(x, tensor)
            ops.binary_linear(x, tensor)
            tensor.copy_(other)
            y = ops.binary_linear(x, tensor)
            assert torch.equal(y, fresh(x, other))
            assert not torch.equal(y, before)
    assert torch.equal(ops.binary_linear(x, inference), y)


def test_other_memory_behind_the_same_tensor_is_seen(built):
    x, weight = drawn()
    before = ops.binary_linear(x, weight)
    other = ops.pack_weight(torch.randn(6, 20))
    weight.data = other
    assert torch.equal(ops.binary_linear(x, weight), fresh(x, other))
    assert not torch.equal(ops.binary_linear(x, weight), before)


def test_a_new_tensor_at_an_old_address_is_not_taken_for_the_old_one(built):
    x, weight = drawn()
    shape, outputs = weight.shape, []
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        weight = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        weight[:, -1] &= 0xF0
        outputs.append(ops.binary_linear(x, weight))
        assert torch.equal(outputs[-1], fresh(x, weight))
        weight.data = torch.empty_like(weight)  # gives the memory back, for the next one to take
        del weight
    assert len({y.sum().item() for y in outputs}) > 5


def test_two_readings_of_the_same_memory_are_told_apart(built):
    x = torch.randn(2, 8)
    memory = ops.pack_weight(torch.randn(9, 8))  # (9, 1)
    square = memory.view(3, 3)
    turned = square.t()
    x24 = torch.randn(2, 24)
    for weight, rows in ((memory, x), (square, x24), (turned, x24), (square, x24)):
        assert torch.equal(ops.binary_linear(rows, weight), fresh(rows, weight))
    assert not torch.equal(ops.binary_linear(x24, square), ops.binary_linear(x24, turned))


def test_the_least_recently_used_go_when_there_is_no_room(built, monkeypatch):
    x = torch.randn(1, 20)
    weights = [ops.pack_weight(torch.randn(6, 20)) for _ in range(5)]
    ops.binary_linear(x, weights[0])
    size = _networks._cache._bytes
    assert size > weights[0].nbytes
    monkeypatch.setattr(_networks, "_cache", _networks._Cache(3 * size))
    built.clear()
    for i in (0, 1, 2, 0, 3, 4, 0):
        ops.binary_linear(x, weights[i])
    assert (len(built), len(_networks._cache)) == (5, 3)  # 0 was used between
    assert _networks._cache._bytes == 3 * size
    ops.binary_linear(x, weights[1])
    assert len(built) == 6
    for _ in range(10):  # a network that takes the place of another counts once
        weights[1].bitwise_xor_(0x10)
        ops.binary_linear(x, weights[1])
    assert _networks._cache._bytes == 3 * size


def test_a_network_larger_than_the_room_is_kept_alone(built, monkeypatch):
    monkeypatch.setattr(_networks, "_cache", _networks._Cache(1))
    x, weight = drawn()
    for _ in range(3):
        ops.binary_linear(x, weight)
    assert (len(built), len(_networks._cache)) == (1, 1)


def test_threads_that_call_and_one_that_writes_never_mix(built):
    x = torch.randn(4, 64)
    weights = [ops.pack_weight(torch.randn(16, 64)) for _ in range(6)]
    expected = [fresh(x, weight) for weight in weights]
    changing = weights[0].clone()
    failures = []

    def call(i):
        for step in range(150):
            j = (i + step) % 6
            if not torch.equal(ops.binary_linear(x, weights[j]), expected[j]):
                failures.append(j)

    def write():
        for step in range(150):
            changing.copy_(weights[step % 6])
            if not torch.equal(ops.binary_linear(x, changing), expected[step % 6]):
                failures.append("written")

    threads = [threading.Thread(target=call, args=(i,)) for i in range(4)]
    threads.append(threading.Thread(target=write))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
