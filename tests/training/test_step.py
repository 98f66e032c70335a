"""The one training step: micro-batches against the whole batch, memory freed, steps counted."""

import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nas_edge.config.study import RecipeConfig
from nas_edge.training.recipe import build_optimizer, build_scaler
from nas_edge.training.step import train_step

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # bit for bit: sums in one order
    yield
    torch.set_num_threads(before)


def recipe_of(**changes):
    return RecipeConfig(**{"batch_size": 8, "image_size": 8, "learning_rate": 0.01, **changes})


def batch_of(size, num_outputs=3):
    generator = torch.Generator().manual_seed(size)
    images = torch.randn(size, 3, 8, 8, generator=generator)
    return images, torch.randint(max(num_outputs, 2), (size,), generator=generator)


class Recorder(nn.Module):
    """A small network that notes its batches, and whether the one before has left its trace."""

    def __init__(self, num_outputs=3, norm=False, dropout=0.0):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(4, num_outputs)
        self.sizes = []
        self.left_over = []
        self._last = None

    def forward(self, images):
        self.left_over.append(self._last is not None and self._last() is not None)
        self.sizes.append(len(images))
        features = F.relu(self.norm(self.conv(images)))
        self._last = weakref.ref(features)
        return self.head(self.dropout(features.mean(dim=(2, 3))))


def step(model, recipe, images, labels, scaler=None, optimizer=None):
    optimizer = optimizer or build_optimizer(model, recipe, CPU)
    scaler = scaler or build_scaler(recipe)
    return train_step(model, images, labels, recipe, optimizer, scaler, CPU)


def gradients(model):
    return [parameter.grad for parameter in model.parameters()]


def test_a_micro_batch_of_the_whole_batch_changes_no_bit():
    ends = []
    for micro_batch in (None, 8):
        recipe = recipe_of(micro_batch=micro_batch, label_smoothing=0.1)
        model = Recorder(norm=True, dropout=0.5)
        optimizer = build_optimizer(model, recipe, CPU)
        torch.manual_seed(3)
        seen = [step(model, recipe, *batch_of(8), optimizer=optimizer) for _ in range(4)]
        ends.append([*model.state_dict().values(), *(one for pair in seen for one in pair)])
    assert all(torch.equal(one, other) for one, other in zip(*ends))


@pytest.mark.parametrize("num_outputs", [1, 5])
@pytest.mark.parametrize(("size", "micro_batch"), [(8, 4), (8, 2), (7, 3), (5, 2), (8, 5)])
def test_gradients_loss_and_hits_are_the_whole_batchs(size, micro_batch, num_outputs):
    images, labels = batch_of(size, num_outputs)
    whole, parts = Recorder(num_outputs), Recorder(num_outputs)
    expected = step(whole, recipe_of(label_smoothing=0.1), images, labels)
    recipe = recipe_of(label_smoothing=0.1, micro_batch=micro_batch)
    got = step(parts, recipe, images, labels)
    assert len(parts.sizes) > len(whole.sizes) == 1
    for one, other in zip(gradients(parts), gradients(whole)):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(got[0], expected[0])
    assert int(got[1]) == int(expected[1])


@pytest.mark.parametrize("micro_batch", range(2, 13))
def test_parts_are_even_none_is_larger_than_asked_and_none_is_one_image(micro_batch):
    for size in (*range(2, 20), 32):
        model = Recorder()
        step(model, recipe_of(batch_size=40, micro_batch=micro_batch), *batch_of(size))
        assert sum(model.sizes) == size
        assert min(model.sizes) >= 2
        assert max(model.sizes) - min(model.sizes) <= 1
        # Twos cannot make an odd number; then, and only then, one part has three.
        odd_in_twos = micro_batch == 2 and size % 2 == 1
        assert max(model.sizes) <= (3 if odd_in_twos else micro_batch)


def test_activations_of_a_part_are_gone_before_the_next_begins():
    model = Recorder(norm=True)
    step(model, recipe_of(micro_batch=2), *batch_of(8))
    assert model.sizes == [2, 2, 2, 2]
    assert model.left_over == [False] * 4


def test_batch_normalisation_sees_the_micro_batch():
    model = nn.Sequential(nn.BatchNorm2d(1, momentum=1.0, affine=True), nn.Flatten())
    model.append(nn.Linear(4, 1))
    images = torch.cat([torch.full((2, 1, 2, 2), value) for value in (1.0, 5.0)])
    step(model, recipe_of(micro_batch=2), images, torch.tensor([0, 1, 0, 1]))
    assert float(model[0].running_mean) == 5.0  # the last part's; the whole batch's is 3


@pytest.mark.parametrize("micro_batch", [None, 2])
def test_a_batch_is_one_step_of_the_optimizer(micro_batch):
    recipe = recipe_of(optimizer="adam", micro_batch=micro_batch)
    model = Recorder()
    optimizer = build_optimizer(model, recipe, CPU)
    for _ in range(3):
        step(model, recipe, *batch_of(8), optimizer=optimizer)
    assert {int(state["step"]) for state in optimizer.state.values()} == {3}


@pytest.mark.skipif(not hasattr(torch.amp, "GradScaler"), reason="only CUDA has a scaler here")
def test_scaled_gradients_are_unscaled_once_a_step():
    recipe = recipe_of(optimizer="sgd", micro_batch=2)
    plain, scaled = Recorder(), Recorder()
    step(plain, recipe, *batch_of(8))
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)  # a power of two: no bit is lost
    step(scaled, recipe, *batch_of(8), scaler=scaler)
    for one, other in zip(scaled.parameters(), plain.parameters()):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
