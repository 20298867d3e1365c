"""Mining inside Lightning's loop: what it embeds, what it learns, and how a run goes on."""

from types import SimpleNamespace

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from bitgrove.mining import (
    ClassSampler,
    KappaController,
    RandomMiner,
    SmartMiner,
    TripletData,
    TripletLearner,
    TripletSampler,
    semi_hard_triplets,
    split_triplets,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:The dirpath has changed"),
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec"),
]


@pytest.fixture
def dataset():
    """Eight classes of six noisy copies of a picture."""
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(8).repeat(6)
    pictures = torch.randn(8, 1, 4, 4, generator=random)
    return TensorDataset(
        pictures[labels] + 2.5 * torch.randn(48, 1, 4, 4, generator=random), labels
    )


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Flatten(), nn.Linear(16, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, 8)
        )


def trainer(epochs, folder, **options):
    return pl.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=folder,
        enable_checkpointing="callbacks" in options, **options,
    )  # fmt: skip


def smart(dataset, **options):
    labels = dataset.tensors[1].numpy()
    controller = KappaController(start=3.0)
    return SmartMiner(labels, kappa=controller, neighbours=20, warmup=1, per_anchor=2, **options)


def test_a_run_mines_what_its_network_embeds_and_tells_the_miner_its_errors(dataset, tmp_path):
    miner = smart(dataset, index="flat")
    learner = TripletLearner(network(), observe=miner.observe)
    seen, kappas = [], []

    class Spy(pl.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            pl_module.eval()
            with torch.no_grad():
                seen.append(pl_module(dataset.tensors[0]).numpy())
            pl_module.train()

        def on_train_epoch_end(self, trainer, pl_module):
            assert pl_module.seen == 96
            assert pl_module.training_error == pl_module.violated / 96
            errors.append(pl_module.training_error)
            kappas.append(miner.kappa)

    errors, mined = [], []
    mine = miner.mine

    def watched(embeddings, epoch):
        mined.append((epoch, embeddings))
        return mine(embeddings, epoch)

    miner.mine = watched  # type: ignore[method-assign]
    data = TripletData(dataset, miner, triplets_per_batch=10, embed_batch=20)
    trainer(5, tmp_path, callbacks=[Spy()]).fit(learner, datamodule=data)
    assert [epoch for epoch, _ in mined] == [0, 1, 2, 3, 4]
    assert mined[0][1] is None
    for epoch in range(1, 5):
        np.testing.assert_allclose(mined[epoch][1], seen[epoch], rtol=0, atol=1e-6)
    assert not np.allclose(seen[1], seen[2])
    assert data.sampler.seconds > 0

    expected = KappaController(start=3.0)
    assert kappas == [3.0, 3.0, *(expected.update(error) for error in errors[1:4])]
    assert len(set(errors)) > 3


def test_a_run_that_goes_on_ends_where_the_whole_run_ends(dataset, tmp_path):
    def run(name, epochs, **options):
        miner = smart(dataset)
        learner = TripletLearner(network(), observe=miner.observe, halve_every=2)
        data = TripletData(dataset, miner)
        last = pl.callbacks.ModelCheckpoint(tmp_path / name, save_last=True)
        trainer(epochs, tmp_path, callbacks=[last]).fit(learner, datamodule=data, **options)
        return learner.network.state_dict(), miner.state_dict()

    whole, state = run("whole", 5)
    run("begun", 3)
    weights, again = run("on", 5, ckpt_path=tmp_path / "begun" / "last.ckpt", weights_only=False)
    assert again == state
    assert state["epoch"] == 4
    for name, value in whole.items():
        assert torch.equal(weights[name], value), name


def test_batches_come_in_threes_and_the_learner_takes_them_so(dataset):
    labels = dataset.tensors[1]
    sampler = TripletSampler(RandomMiner(labels.numpy(), per_anchor=2), lambda: np.zeros((0, 0)))
    rows = torch.tensor(list(sampler))
    assert len(sampler) == len(rows) == 3 * 96
    anchors, positives, negatives = split_triplets(rows)
    assert (labels[anchors] == labels[positives]).all()
    assert (anchors != positives).all()
    assert (labels[anchors] != labels[negatives]).all()
    with pytest.raises(ValueError, match="batch_size that is a multiple of three"):
        split_triplets(rows[:8])


def test_semi_hard_mining_needs_no_miner(dataset, tmp_path):
    sampler = ClassSampler(dataset.tensors[1].numpy(), classes=4, images=4, batches=6)
    learner = TripletLearner(network(), select=semi_hard_triplets, lr=0.3)
    loader = DataLoader(dataset, sampler=sampler, batch_size=16)
    errors = []

    class Spy(pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            errors.append(pl_module.training_error)

    trainer(12, tmp_path, callbacks=[Spy()]).fit(learner, loader)
    assert learner.seen == 6 * 4 * 4 * 3
    assert errors[-1] < 0.75 * errors[0]


def test_the_rate_is_halved_and_the_global_loss_added(dataset):
    images, _ = dataset.tensors
    batch = images[:6], torch.zeros(6)
    plain, both = (
        float(TripletLearner(network(), global_margin=margin).training_step(batch, 0).detach())
        for margin in (None, 0.01)
    )
    assert both > plain + 1e-4
    made = TripletLearner(network(), lr=0.1, halve_every=3).configure_optimizers()
    rates = []
    for _ in range(7):
        rates.append(made["optimizer"].param_groups[0]["lr"])
        made["optimizer"].step()
        made["lr_scheduler"].step()
    assert rates == pytest.approx([0.1] * 3 + [0.05] * 3 + [0.025])


def test_several_processes_are_refused(dataset):
    data = TripletData(dataset, smart(dataset))
    data.trainer = SimpleNamespace(world_size=2)  # type: ignore[assignment]
    with pytest.raises(ValueError, match="mined by one process, the trainer has 2; pass devices=1"):
        data.train_dataloader()


def test_mining_outside_a_trainer_says_so(dataset):
    data = TripletData(dataset, smart(dataset))
    data.sampler.set_epoch(1)
    with pytest.raises(RuntimeError, match=r"use this in Trainer\.fit"):
        next(iter(data.train_dataloader()))
