import numpy as np
import pytest
import torch
from torch import nn

from bitgrove.training import evaluate


class Probe(nn.Module):
    """Notes in which mode and with how many threads it ran."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 3))
        self.notes = []

    def forward(self, x):
        self.notes.append(
            (self.layers[1].training, torch.is_grad_enabled(), torch.get_num_threads())
        )
        return self.layers(x)


def test_logits_are_those_of_the_whole_set_at_once(train):
    model, prep = Probe(), train.preprocessing()
    logits = evaluate(model, train, prep, batch_size=7)
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(prep.normalise(train.images)))
    assert logits.dtype == np.float32
    assert len(np.unique(logits.argmax(1))) > 1
    np.testing.assert_allclose(logits, expected.numpy(), rtol=1e-5, atol=1e-6)


def test_modes_and_threads_are_restored(train):
    model = Probe().train()
    model.layers[2].eval()
    evaluate(model, train, train.preprocessing(), threads=2)
    assert set(model.notes) == {(False, False, 2)}
    assert model.training
    assert model.layers[1].training
    assert not model.layers[2].training
    assert torch.get_num_threads() == 1


def test_modes_are_restored_after_an_error(train):
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 3))
    with pytest.raises(RuntimeError):
        evaluate(model, train, train.preprocessing())
    assert model.training
    assert torch.is_grad_enabled()


def test_no_images_and_no_threads_are_refused(train):
    with pytest.raises(ValueError, match="at least one image"):
        evaluate(Probe(), train.select([]), train.preprocessing())
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        evaluate(Probe(), train, train.preprocessing(), threads=0)
