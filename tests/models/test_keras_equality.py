"""Both reference networks against Keras 3 (torch backend) with the same weights.

Xception is `keras.applications.Xception` itself; Xception-Lite is written here a second time, in
Keras's layers, from the table of the paper's configuration. Every weight, bias and batch-norm
statistic is away from its default, so that none of them can be mixed up unnoticed.

A difference is the largest absolute difference of the logits divided by the largest absolute logit
of Keras's. One CPU thread, torch 2.13, Keras 3.15: 1e-6 to 4e-6, which is rounding that
is summed in another order, through 40 layers; the mistakes below reach 0.2 to 5. Limit: 1e-5.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Tuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nas_edge.models import blocks
from nas_edge.models.blocks import SameConv2d, SameMaxPool
from nas_edge.models.xception import XceptionNet, build_model
from nas_edge.space.references import reference_architecture

pytestmark = pytest.mark.keras

LIMIT = 1e-5
SIZES = [(64, 64), (97, 97), (224, 224), (66, 97)]
NAMES = ["xception", "xception-lite"]
NUM_CLASSES = 101


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "torch")
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        module = pytest.importorskip("keras")
        if module.backend.backend() != "torch":
            pytest.skip("keras was imported before, with another backend")
        with module.device("cpu"):
            yield module


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def net(name: str) -> XceptionNet:
    return random_net(name)


def random_net(name: str) -> XceptionNet:
    """Return a network whose every number is random, in evaluation mode.

    The moving statistics are those of some images times a random factor: signals then keep their
    size through all layers, and no layer is drowned by another.
    """
    torch.manual_seed(0)
    net = build_model(reference_architecture(name), NUM_CLASSES, dropout=0.0, bn_momentum=1.0)
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
                module.bias.normal_(std=0.1)
        net.head.weight.normal_(std=0.1)
        for norm in norms:
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_(std=0.5)
        net.train()(images((96, 96), batch=4))
        for norm in norms:
            norm.running_mean += 0.3 * norm.running_var.sqrt() * torch.randn(norm.num_features)
            norm.running_var *= torch.empty(norm.num_features).uniform_(0.7, 1.4)
    return net.eval()


def images(size: Tuple[int, int], batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 3, *size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def keras_net(keras: Any, name: str, size: Tuple[int, int], classes: int = NUM_CLASSES) -> Any:
    if name == "xception-lite":
        return keras_lite(keras, size, classes)
    application = keras.applications.Xception
    if min(size) >= 71:
        return application(
            weights=None, classes=classes, classifier_activation=None, input_shape=(*size, 3)
        )
    # Keras refuses its own head below 71 px, but not the layers before it.
    base = application(weights=None, include_top=False, pooling="avg", input_shape=(None, None, 3))
    logits = keras.layers.Dense(classes, name="predictions")(base.output)
    return keras.Model(base.input, logits)


def keras_lite(keras: Any, size: Tuple[int, int], classes: int) -> Any:
    layers = keras.layers

    def norm(x: Any, name: str) -> Any:
        return layers.BatchNormalization(name=f"{name}_bn")(x)

    def relu_sep(x: Any, name: str, width: int, kernel: int) -> Any:
        x = layers.ReLU()(x)
        x = layers.SeparableConv2D(width, kernel, padding="same", name=name)(x)
        return norm(x, name)

    def pooled(x: Any, shortcut: Any, name: str, width: int, kernel: int) -> Any:
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
        conv = layers.Conv2D(width, kernel, strides=2, padding="same", name=f"{name}_residual")
        return layers.Add()([x, conv(shortcut)])

    x = inputs = layers.Input((*size, 3))
    for i, width, stride in ((1, 32, 2), (2, 64, 1)):
        x = layers.Conv2D(width, 3, strides=stride, padding="same", name=f"stem{i}")(x)
        x = layers.ReLU()(norm(x, f"stem{i}"))
    for i, width in ((1, 128), (2, 256), (3, 512)):
        shortcut = x
        x = relu_sep(x, f"entry{i}_sep1", width, 1)
        x = relu_sep(x, f"entry{i}_sep2", width, 3)
        x = pooled(x, shortcut, f"entry{i}", width, 1)
    for i in range(1, 9):
        shortcut = x
        x = relu_sep(x, f"middle{i}_sep1", 256, 1)
        x = relu_sep(x, f"middle{i}_sep2", 512, 1)
        x = relu_sep(x, f"middle{i}_sep3", 512, 3)
        x = layers.Add()([x, shortcut])
    shortcut = x
    x = relu_sep(x, "exit1_sep1", 728, 1)
    x = relu_sep(x, "exit1_sep2", 1024, 3)
    x = pooled(x, shortcut, "exit1", 1024, 3)
    for i, width in ((1, 1536), (2, 2048)):
        x = layers.SeparableConv2D(width, 3, padding="same", name=f"tail{i}")(x)
        x = layers.ReLU()(norm(x, f"tail{i}"))
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(inputs, layers.Dense(classes, name="predictions")(x))


def paired_layers(model: Any, net: XceptionNet, name: str) -> List[Tuple[Any, List[nn.Module]]]:
    """Return each Keras layer that has weights, with the modules that mean the same."""
    lite = name == "xception-lite"
    units: Dict[str, nn.Module] = {}
    for i, unit in enumerate(net.stem, 1):
        units[f"stem{i}" if lite else f"block1_conv{i}"] = unit
    for number, (block_name, block) in enumerate(net.blocks.named_children(), 2):
        for i, unit in enumerate(block.units, 1):
            units[f"{block_name}_sep{i}" if lite else f"block{number}_sepconv{i}"] = unit
    for i, unit in enumerate(net.tail, 1):
        units[f"tail{i}" if lite else f"block14_sepconv{i}"] = unit
    residuals = [b.residual for b in net.blocks if not isinstance(b.residual, nn.Identity)]
    by_name = {layer.name: layer for layer in model.layers if layer.weights}
    pairs: List[Tuple[Any, List[nn.Module]]] = [(by_name.pop("predictions"), [net.head])]
    for unit_name, unit in units.items():
        convs = [m for m in unit.modules() if isinstance(m, nn.Conv2d)]
        pairs.append((by_name.pop(unit_name), convs))
        pairs.append((by_name.pop(f"{unit_name}_bn"), [unit.norm]))
    # What is left over are the residuals, which Keras's Xception does not name.
    for kind, part in (("Conv2D", "conv"), ("BatchNormalization", "norm")):
        left = [layer for layer in by_name.values() if type(layer).__name__ == kind]
        modules = [getattr(r, part) for r in residuals if hasattr(r, part)]
        assert len(left) == len(modules)
        pairs.extend((by_name.pop(layer.name), [module]) for layer, module in zip(left, modules))
    assert not by_name
    return pairs


def keras_arrays(modules: List[nn.Module]) -> List[np.ndarray]:
    """Return the arrays of one Keras layer, in its order and layout."""
    if isinstance(modules[0], nn.BatchNorm2d):
        norm = modules[0]
        tensors = [norm.weight, norm.bias, norm.running_mean, norm.running_var]
    elif isinstance(modules[0], nn.Linear):
        tensors = [modules[0].weight.T]
    elif len(modules) == 2:  # separable: channels x 1 x k x k, then out x in x 1 x 1
        tensors = [modules[0].weight.permute(2, 3, 0, 1), modules[1].weight.permute(2, 3, 1, 0)]
    else:
        tensors = [modules[0].weight.permute(2, 3, 1, 0)]
    if not isinstance(modules[0], nn.BatchNorm2d) and modules[-1].bias is not None:
        tensors.append(modules[-1].bias)
    return [tensor.detach().numpy().copy() for tensor in tensors]


def copy_weights(model: Any, net: XceptionNet, name: str) -> Any:
    for layer, modules in paired_layers(model, net, name):
        layer.set_weights(keras_arrays(modules))
    return model


def keras_logits(model: Any, batch: torch.Tensor, training: bool = False) -> torch.Tensor:
    with torch.no_grad():
        out: torch.Tensor = model(batch.permute(0, 2, 3, 1).contiguous(), training=training)
    return out.cpu()


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max() / theirs.abs().max())


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_logits_agree_with_keras(
    keras: Any, name: str, net: XceptionNet, size: Tuple[int, int]
) -> None:
    batch = images(size)
    theirs = keras_logits(copy_weights(keras_net(keras, name, size), net, name), batch)
    with torch.no_grad():
        ours = net(batch)
    assert theirs.std() > 0.1  # the logits say something
    assert difference(theirs[:1], theirs[1:]) > 1e-2  # and depend on the image
    assert difference(ours, theirs) < LIMIT


def test_logits_agree_with_keras_in_training_mode(keras: Any, name: str) -> None:
    net = random_net(name).train()
    model = copy_weights(keras_net(keras, name, (97, 97)), net, name)
    for layer in model.layers:
        if type(layer).__name__ == "Dropout":
            layer.rate = 0.0
    batch = images((97, 97), batch=4)
    with torch.no_grad():
        measured = difference(net(batch), keras_logits(model, batch, training=True))
    assert measured < LIMIT


@pytest.mark.parametrize("mistake", ["symmetric padding", "eps of PyTorch"])
def test_comparison_sees_the_usual_mistakes(
    keras: Any, name: str, monkeypatch: pytest.MonkeyPatch, mistake: str
) -> None:
    """The same comparison fails, by far, on the two usual ways to get such a network wrong."""
    net = random_net(name)
    theirs = keras_logits(
        copy_weights(keras_net(keras, name, (64, 64)), net, name), images((64, 64))
    )
    if mistake == "symmetric padding":
        monkeypatch.setattr(
            SameMaxPool, "forward", lambda self, x: F.max_pool2d(x, 3, 2, padding=1)
        )
        monkeypatch.setattr(
            SameConv2d,
            "forward",
            lambda self, x: self._convolve(x, (self.kernel_size[0] // 2,) * 2),
        )
    else:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 1e-5
    with torch.no_grad():
        wrong = difference(net(images((64, 64))), theirs)
    assert wrong > 100 * LIMIT


@pytest.mark.parametrize("classes", [101, 1])
def test_parameter_counts_are_those_of_keras(keras: Any, name: str, classes: int) -> None:
    model = keras_net(keras, name, (97, 97), classes)
    net = build_model(reference_architecture(name), classes)
    trainable = sum(p.numel() for p in net.parameters())
    statistics = sum(
        m.running_mean.numel() + m.running_var.numel()
        for m in net.modules()
        if isinstance(m, nn.BatchNorm2d)
    )
    assert model.count_params() == trainable + statistics
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == trainable


def test_keras_initialisation_draws_from_the_ranges_of_keras(keras: Any, name: str) -> None:
    """Glorot's limits need Keras's fans; those of a depthwise kernel are easily got wrong."""
    torch.manual_seed(0)
    keras.utils.set_random_seed(0)
    net = build_model(reference_architecture(name), NUM_CLASSES, init="keras")
    num_compared = 0
    for layer, modules in paired_layers(keras_net(keras, name, (97, 97)), net, name):
        for ours, weight in zip(keras_arrays(modules), layer.weights):
            theirs = weight.value.detach().cpu().numpy()
            if theirs.ndim == 1:
                np.testing.assert_array_equal(ours, theirs)  # biases, batch normalisation
            elif theirs.size >= 2000:
                # The largest of n uniform draws misses the limit by 1 / n of it on average.
                np.testing.assert_allclose(np.abs(ours).max(), np.abs(theirs).max(), rtol=0.01)
                np.testing.assert_allclose(ours.std(), theirs.std(), rtol=0.1)
                num_compared += 1
    assert num_compared > 40


def test_batch_norm_eps_is_that_of_keras(keras: Any) -> None:
    assert keras.layers.BatchNormalization().epsilon == blocks.BATCH_NORM_EPS
