"""Training mode where a part of the network is frozen.

Source:
    Keras's rule, which the authors' transfer follows: a batch normalisation that is not trainable
    runs as in inference, with its moving statistics, while dropout stays what training makes it.
"""

from __future__ import annotations

from torch import nn


def set_training(model: nn.Module) -> None:
    """Put a model in training mode; normalisations with frozen weights keep their statistics."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
            module.eval()
