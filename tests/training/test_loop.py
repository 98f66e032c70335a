from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nas_edge.candidate.optimizer_check import check_optimizer
from nas_edge.config.study import AugmentationConfig, RecipeConfig
from nas_edge.data.batches import Batches
from nas_edge.device.machine import find_device
from nas_edge.errors import ConfigError
from nas_edge.models.xception import build_model
from nas_edge.space.references import reference_architecture
from nas_edge.training import loop
from nas_edge.training.loop import CheckpointPlan, Diverged, Hooks, evaluate, train

CPU = torch.device("cpu")
TINY = reference_architecture("xception-lite", 1 / 8)
TINY = replace(TINY, middle=replace(TINY.middle, blocks=1))
SILENT = Hooks(
    on_step=lambda epoch, step, steps: None, on_epoch=lambda record: None, lap=lambda: (0, 0, {})
)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # bit for bit: sums in one order
    yield
    torch.set_num_threads(before)


def test_every_batch_of_an_evaluation_is_a_sign_of_life():
    recipe = recipe_of()
    val_set = splits(recipe)[1]
    signs = []
    evaluate(new_model(), val_set, recipe, CPU, lambda: signs.append(1))
    assert len(signs) == 2


def splits(recipe, classes=2, count=24):
    """Return training and validation batches; the class is the brightness of a corner."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % classes
    images = rng.integers(0, 90, (count, 32, 32, 3), dtype=np.uint8)
    images[:, :12, :12] += (labels * (160 // classes))[:, None, None, None].astype(np.uint8)
    augmentation = recipe.augmentation
    return (
        Batches(images, labels, recipe.batch_size, CPU, augmentation=augmentation),
        Batches(images[:16], labels[:16], recipe.batch_size, CPU),
    )


def recipe_of(**changes):
    settings = {
        "epochs": 3,
        "batch_size": 8,
        "image_size": 32,
        "dropout": 0.5,
        "augmentation": AugmentationConfig(flip_horizontal=True, rotation=0.1, contrast=0.2),
    }
    return RecipeConfig(**{**settings, **changes})


def new_model(num_outputs=1, dropout=0.5):
    torch.manual_seed(5)
    model = build_model(TINY, num_outputs, dropout=dropout)
    return model.to(memory_format=torch.channels_last)


def run(recipe, checkpoint=None, hooks=SILENT, model=None):
    model = model or new_model()
    result = train(model, *splits(recipe), recipe, 7, CPU, hooks, checkpoint)
    return model, result


def same_weights(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values())
    return all(torch.equal(a, b) for a, b in pairs)


def plain(history):
    """Return what does not depend on the clock."""
    return [replace(record, seconds=0.0) for record in history]


def test_equals_a_bare_pytorch_loop_bit_for_bit():
    recipe = recipe_of(
        optimizer="sgd", schedule="constant", warmup_epochs=0, learning_rate=0.05, epochs=2
    )
    model, result = run(recipe)

    bare = new_model()
    train_set, val_set = splits(recipe)
    optimizer = torch.optim.SGD(bare.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)
    losses = []
    for epoch in (1, 2):
        bare.train()
        torch.manual_seed(loop.epoch_seed(7, epoch))
        total, seen = 0.0, 0
        for images, labels in train_set.shuffled(7, epoch):
            optimizer.zero_grad()
            loss = F.binary_cross_entropy_with_logits(bare(images)[:, 0], labels.float())
            loss.backward()
            optimizer.step()
            total, seen = total + float(loss.detach()) * len(labels), seen + len(labels)
        losses.append(total / seen)
    bare.eval()
    with torch.no_grad():
        right = sum(
            int(((bare(images)[:, 0] > 0).long() == labels).sum())
            for images, labels in val_set.in_order()
        )

    assert same_weights(model, bare)
    assert [record.loss for record in result.history] == pytest.approx(losses, rel=1e-6)
    assert result.history[-1].val_accuracy == right / 16


@pytest.mark.parametrize(
    "optimizer",
    ["adamw", "sgd", pytest.param("adam", marks=pytest.mark.slow), "adam8bit"],
)
def test_a_training_that_was_cut_off_ends_as_if_it_had_not_been(optimizer, tmp_path):
    recipe = recipe_of(optimizer=optimizer, epochs=4)
    if optimizer == "adam8bit":
        try:
            check_optimizer(recipe, find_device("cpu"))
        except ConfigError as err:
            pytest.skip(str(err))
    whole_model, whole = run(recipe)

    class PowerCut(Exception):
        pass

    def cut_in_epoch_3(epoch, step, steps):
        if (epoch, step) == (3, 2):
            raise PowerCut

    plan = CheckpointPlan(tmp_path / "checkpoint.pt", every_s=0.0)
    with pytest.raises(PowerCut):
        run(recipe, plan, replace(SILENT, on_step=cut_in_epoch_3))
    torch.manual_seed(99)  # another process has another state
    model, result = run(recipe, plan)

    assert result.resumed_from_epoch == 2
    assert plain(result.history) == plain(whole.history)
    assert same_weights(model, whole_model)


def test_best_weights_are_those_of_the_first_best_epoch(monkeypatch, tmp_path):
    recipe = recipe_of(epochs=4, weights="best")
    accuracies = iter([0.5, 0.9, 0.9, 0.2])
    monkeypatch.setattr(loop, "evaluate", lambda *args: (1.0, next(accuracies)))
    states = {}
    model = new_model()
    hooks = replace(
        SILENT,
        on_epoch=lambda record: states.update(
            {record.epoch: {k: v.clone() for k, v in model.state_dict().items()}}
        ),
    )
    _, result = run(recipe, hooks=hooks, model=model)
    assert result.weights_epoch == 2
    held = model.state_dict()
    assert all(torch.equal(held[name], states[2][name]) for name in held)
    assert not all(torch.equal(held[name], states[4][name]) for name in held)


def test_best_weights_survive_a_cut(tmp_path):
    recipe = recipe_of(epochs=4, weights="best", learning_rate=0.02)
    whole_model, whole = run(recipe)

    def cut(record):
        if record.epoch == 4:
            raise KeyboardInterrupt

    plan = CheckpointPlan(tmp_path / "checkpoint.pt", every_s=0.0)
    with pytest.raises(KeyboardInterrupt):
        run(recipe, plan, replace(SILENT, on_epoch=cut))
    model, result = run(recipe, plan)
    assert result.resumed_from_epoch == 3
    assert result.weights_epoch == whole.weights_epoch
    assert same_weights(model, whole_model)


def test_last_weights_are_the_default():
    recipe = recipe_of(epochs=2)
    model, result = run(recipe)
    assert result.weights_epoch == 2
    again = evaluate(model, splits(recipe)[1], recipe, CPU)
    assert again == (result.history[-1].val_loss, result.history[-1].val_accuracy)


def test_divergence_says_epoch_and_step():
    recipe = recipe_of(
        optimizer="sgd", learning_rate=1e30, schedule="constant", warmup_epochs=0, epochs=5
    )
    with pytest.raises(Diverged, match=r"the \w+ loss became (nan|inf) (by|in) epoch [12]"):
        run(recipe)


def test_a_training_loss_that_is_not_finite_is_noticed_within_the_epoch():
    recipe = recipe_of()
    model = new_model()
    with torch.no_grad():
        model.head.bias.fill_(float("nan"))
    with pytest.raises(Diverged, match="the training loss became nan by epoch 1, step 3"):
        run(recipe, model=model)


def test_a_validation_loss_that_is_not_finite_is_noticed(monkeypatch):
    monkeypatch.setattr(loop, "evaluate", lambda *args: (float("inf"), 0.5))
    with pytest.raises(Diverged, match="the validation loss became inf in epoch 1"):
        run(recipe_of())


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"x" * 500]
)
def test_a_damaged_checkpoint_means_starting_anew(damage, tmp_path):
    recipe = recipe_of(epochs=2)
    _, whole = run(recipe)
    path = tmp_path / "checkpoint.pt"
    plan = CheckpointPlan(path, every_s=0.0)
    run(recipe, plan)
    path.write_bytes(damage(path.read_bytes()))
    _, result = run(recipe, plan)
    assert result.resumed_from_epoch == 0
    assert plain(result.history) == plain(whole.history)


def test_a_checkpoint_of_another_candidate_is_not_gone_on_with(tmp_path):
    path = tmp_path / "checkpoint.pt"
    recipe = recipe_of(epochs=2)
    run(recipe, CheckpointPlan(path, owner="one", every_s=0.0))
    assert run(recipe, CheckpointPlan(path, owner="one"))[1].resumed_from_epoch == 1
    assert run(recipe, CheckpointPlan(path, owner="another"))[1].resumed_from_epoch == 0


def test_the_last_epoch_writes_no_checkpoint_and_seldom_means_seldom(tmp_path):
    path = tmp_path / "checkpoint.pt"
    run(recipe_of(epochs=1), CheckpointPlan(path, every_s=0.0))
    assert not path.exists()
    run(recipe_of(epochs=3), CheckpointPlan(path, every_s=1000.0))
    assert not path.exists()


def test_bf16_trains_and_ends_near_fp32():
    full = run(recipe_of(epochs=2))[1].history[-1]
    half = run(recipe_of(epochs=2, precision="bf16"))[1].history[-1]
    assert half.loss == pytest.approx(full.loss, rel=0.2)
    assert half.loss != full.loss


def test_micro_batches_take_as_many_steps_and_learn():
    steps = []
    hooks = replace(SILENT, on_step=lambda *step: steps.append(step))
    recipe = RecipeConfig(epochs=12, batch_size=8, micro_batch=4, image_size=32, learning_rate=0.01)
    _, result = run(recipe, hooks=hooks, model=new_model(dropout=0.0))
    assert steps == [(epoch, step, 3) for epoch in range(1, 13) for step in range(1, 4)]
    assert result.history[-1].loss < 0.5 * result.history[0].loss
    assert result.history[-1].val_accuracy >= 0.9


def test_a_micro_batch_of_the_whole_batch_is_the_same_training():
    model, result = run(recipe_of(epochs=2, micro_batch=8))
    plain_model, plain_result = run(recipe_of(epochs=2))
    assert plain(result.history) == plain(plain_result.history)
    assert same_weights(model, plain_model)


def test_what_the_hooks_hear():
    steps, laps, epochs = [], iter([(30, 20, {}), (50, 40, {"energy_j": 7.0})]), []
    hooks = Hooks(
        on_step=lambda *step: steps.append(step),
        on_epoch=epochs.append,
        lap=lambda: next(laps),
    )
    recipe = recipe_of(epochs=2)
    _, result = run(recipe, hooks=hooks)
    assert steps == [(epoch, step, 3) for epoch in (1, 2) for step in range(1, 4)]
    assert tuple(epochs) == result.history
    memory = [(record.peak_memory_bytes, record.mean_memory_bytes) for record in epochs]
    assert memory == [(30, 20), (50, 40)]
    assert "energy_j" not in epochs[0].to_row()
    assert epochs[1].to_row()["energy_j"] == 7.0
    assert "readings" not in epochs[1].to_row()
    assert all(record.seconds > 0 for record in epochs)


def test_a_network_learns_what_can_be_learnt():
    recipe = RecipeConfig(epochs=12, batch_size=8, image_size=32, learning_rate=0.01)
    _, result = run(recipe, model=new_model(dropout=0.0))
    assert result.history[-1].loss < 0.5 * result.history[0].loss
    assert result.history[-1].val_accuracy >= 0.9
