"""The paper's lightweight models and SqueezeNet, from libraries that keep them.

Each is pinned by its parameter count (tests/models/test_baselines.py). What differs from the
library's own network is what makes it Keras's, which the authors used: the epsilon of MobileNetV2's
normalisation, stochastic depth in EfficientNetV2, dropout, and where the recipe asks for it weights
and momentum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict

from torch import nn

from nas_edge.errors import EnvironmentProblem
from nas_edge.models.blocks import BATCH_NORM_EPS
from nas_edge.models.torchvision_import import import_torchvision
from nas_edge.models.xception import initialise

KERAS_MOMENTUM = 0.01  # Keras's 0.99 in PyTorch's sense
DROP_PATH = 0.2  # keras.applications' drop_connect_rate for every EfficientNetV2


@dataclass(frozen=True)
class _Kind:
    """How a baseline is built, its head, and its momentum in Keras (in PyTorch's sense)."""

    build: Callable[[int, float], nn.Module]
    head: str
    keeps_init: bool = False  # the library's weights are drawn as Keras's are, but for the head
    keras_momentum: float = KERAS_MOMENTUM


def build_baseline(
    name: str, num_outputs: int, *, dropout: float, bn_momentum: float, init: str
) -> nn.Module:
    """Return an untrained baseline; images (n, 3, h, w) in [-1, 1] to logits (n, num_outputs).

    Args:
        name: One of `nas_edge.space.baselines.BASELINE_NAMES`.
        num_outputs: Logits.
        dropout: Before the dense layer.
        bn_momentum: In PyTorch's sense; Keras's default stands for what keras.applications gives
            this network.
        init: "he": the library's own weights; "keras": Glorot uniform, in EfficientNetV2 for the
            head alone.
    Raises:
        EnvironmentProblem: If the library that has the network is not installed.
    """
    kind = _KINDS[name]
    model = kind.build(num_outputs, dropout)
    if init == "keras":
        initialise(dict(model.named_modules())[kind.head] if kind.keeps_init else model, "keras")
    momentum = kind.keras_momentum if bn_momentum == KERAS_MOMENTUM else bn_momentum
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = momentum
    return model


def head_of_baseline(name: str) -> str:
    """Return the name of the module that gives the logits."""
    return _KINDS[name].head


def import_library(name: str) -> None:
    """Import what has the network, so that its code belongs to no measurement.

    Raises:
        EnvironmentProblem: If it is not installed.
    """
    if name == "efficientnetv2-b1":
        _timm()
    else:
        import_torchvision()


def _efficientnet(num_outputs: int, dropout: float) -> nn.Module:
    # The tf_ variants have TensorFlow's padding and epsilon.
    return _timm().create_model(  # type: ignore[no-any-return]
        "tf_efficientnetv2_b1",
        num_classes=num_outputs,
        drop_rate=dropout,
        drop_path_rate=DROP_PATH,
    )


def _mobilenet(num_outputs: int, dropout: float) -> nn.Module:
    model: nn.Module = import_torchvision().models.mobilenet_v2(
        num_classes=num_outputs, dropout=dropout
    )
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = BATCH_NORM_EPS
    return model


def _squeezenet(num_outputs: int, dropout: float) -> nn.Module:
    model: Any = import_torchvision().models.squeezenet1_0(num_classes=num_outputs, dropout=dropout)
    # It ends in a ReLU. One logit of two classes has to be able to say no.
    if num_outputs == 1:
        model.classifier[2] = nn.Identity()
    return model  # type: ignore[no-any-return]


def _timm() -> Any:
    import_torchvision()  # timm imports it as it is
    try:
        import timm
    except ImportError as err:
        raise EnvironmentProblem(
            f"efficientnetv2-b1 needs timm ({err}); pip install 'nas-edge[baselines]'"
        ) from err
    return timm


_KINDS: Dict[str, _Kind] = {
    "efficientnetv2-b1": _Kind(_efficientnet, "classifier", True, keras_momentum=0.1),
    "mobilenetv2": _Kind(_mobilenet, "classifier.1", keras_momentum=0.001),
    "squeezenet": _Kind(_squeezenet, "classifier.1"),
}
