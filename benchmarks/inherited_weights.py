"""Do inherited weights pay: half a training from a relative's weights, beside one from scratch?

Random networks of the small space come one after another, as in a search. Each is trained four
ways: to the end from scratch, again from another seed (as like as a training can be), half as long
from scratch, and half as long from the weights of the finished network that fits best: as wide
everywhere, with the fewest parameters; of every layer the channels of the greatest normalisation
scale (Liu et al. 2017). What a search needs of a shorter training is the order of the networks: its
rank correlation with the whole one is what is compared. Ctrl-C ends with the networks so far. ::

    python benchmarks/inherited_weights.py
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

from nas_edge import Architecture, SearchSpace, build_model, count_model, load_study_config
from nas_edge.data.batches import Batches
from nas_edge.data.source import load_image_set
from nas_edge.device.machine import find_device
from nas_edge.models.xception import XceptionNet
from nas_edge.training.loop import Hooks, train

STUDY = str(Path(__file__).resolve().parent / "curves" / "synthetic.yaml")
WHOLE, AGAIN, HALF, INHERITED = "whole", "whole, other seed", "half", "half, inherited"
Trained = Tuple[Architecture, XceptionNet]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default=STUDY)
    parser.add_argument("--networks", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    config, _ = load_study_config(args.study)
    device = find_device("cpu")
    torch.set_num_threads(device.num_cores)
    space, rng = SearchSpace.load(config.space), random.Random(args.seed)
    with tempfile.TemporaryDirectory() as place:
        images = load_image_set(config.data, config.recipe.image_size, Path(place))
        training = Training(config.recipe, images)
        print(
            f"{device.name}, torch {torch.__version__}; {images.description}, "
            f"{config.recipe.epochs} epochs"
        )
        finished: List[Trained] = []
        for network in space.references.values():
            finished.append((network, training.of(network, config.recipe.epochs, 0)[0]))
        rows: Dict[str, List[float]] = {WHOLE: [], AGAIN: [], HALF: [], INHERITED: []}
        with contextlib.suppress(KeyboardInterrupt):
            for number in range(args.networks):
                network = space.sample(rng)
                parent = fitting(network, finished)
                if parent is None:
                    print(f"network {number}: none of the finished ones is as wide everywhere")
                    continue
                half = max(config.recipe.epochs // 2, 1)
                model, accuracy = training.of(network, config.recipe.epochs, 0)
                rows[WHOLE].append(accuracy)
                rows[AGAIN].append(training.of(network, config.recipe.epochs, 1)[1])
                rows[HALF].append(training.of(network, half, 0)[1])
                rows[INHERITED].append(training.of(network, half, 0, parent)[1])
                finished.append((network, model))
                told = ", ".join(f"{way} {100 * found[-1]:.1f}%" for way, found in rows.items())
                print(f"network {number}: {told}", flush=True)
    report(rows)


def report(rows: Dict[str, List[float]]) -> None:
    whole = rows[WHOLE]
    for way, found in rows.items():
        if way == WHOLE:
            continue
        differences = 100 * (np.array(found) - np.array(whole))
        rank = spearmanr(found, whole).statistic if len(found) > 2 else float("nan")
        print(
            f"{way:<18} rank correlation with whole {rank:.3f}, "
            f"{differences.mean():+.1f} points ({differences.std():.1f} from network to network)"
        )


class Training:
    """Trains networks on one set of images."""

    def __init__(self, recipe: Any, images: Any) -> None:
        self._recipe = recipe
        self._num_outputs = images.num_outputs
        cpu = torch.device("cpu")
        self._splits = [
            Batches(*images.arrays(name), recipe.batch_size, cpu) for name in ("train", "val")
        ]

    def of(
        self, network: Architecture, epochs: int, seed: int, parent: Optional[XceptionNet] = None
    ) -> Tuple[XceptionNet, float]:
        """Return a trained network and its best validation accuracy."""
        recipe = self._recipe.model_copy(update={"epochs": epochs})
        torch.manual_seed(seed)
        model = build_model(
            network,
            self._num_outputs,
            dropout=recipe.dropout,
            bn_momentum=recipe.bn_momentum,
            init=recipe.init,
        )
        if parent is not None:
            inherit(model, parent)
        model = model.to(memory_format=torch.channels_last)
        hooks = Hooks(lambda *_: None, lambda _: None, lambda: (0, 0, {}))
        result = train(model, *self._splits, recipe, seed, torch.device("cpu"), hooks)
        return model, max(record.val_accuracy for record in result.history)


def fitting(network: Architecture, finished: List[Trained]) -> Optional[XceptionNet]:
    """Return the smallest finished network that is at least as wide in every layer, or None."""
    wider = [one for one in finished if is_as_wide(one[0], network)]
    wider.sort(key=lambda one: count_model(one[0].plan, 32, 1).num_params)
    return wider[0][1] if wider else None


def is_as_wide(wide: Architecture, narrow: Architecture) -> bool:
    pairs = zip(widths(wide), widths(narrow))
    return wide.style == narrow.style and all(a >= b for a, b in pairs)


def widths(network: Architecture) -> List[int]:
    plan = network.plan
    rows = [*plan.stem, *(row for block in plan.blocks for row in block.convs), *plan.tail]
    return [row.out_channels for row in rows]


# --- from the weights of another --------------------------------------------------------------


@torch.no_grad()
def inherit(model: XceptionNet, parent: XceptionNet) -> None:
    """Fill a network with the weights of one that is as wide, channel by channel."""
    kept = torch.arange(3)
    for own, other in zip(model.stem, parent.stem):
        kept = from_unit(own, other, kept)
    for own, other in zip(model.blocks, parent.blocks):
        kept = from_block(own, other, kept)
    for own, other in zip(model.tail, parent.tail):
        kept = from_unit(own, other, kept)
    model.head.weight.copy_(parent.head.weight[:, kept])
    model.head.bias.copy_(parent.head.bias)


def from_block(own: Any, other: Any, kept: Tensor) -> Tensor:
    """Return which of the parent's channels leave the block; both of its sides keep the same."""
    last = len(own.units) - 1
    if isinstance(own.residual, nn.Identity):
        out = kept
    else:
        ends = [unit for unit in (other.units[-1], other.residual) if hasattr(unit, "norm")]
        scale = torch.stack([unit.norm.weight.abs() for unit in ends]).sum(dim=0)
        out = best(scale, own.residual.conv.out_channels)
        from_unit(own.residual, other.residual, kept, out)
    inner = kept
    for i, (mine, theirs) in enumerate(zip(own.units, other.units)):
        inner = from_unit(mine, theirs, inner, out if i == last else None)
    return out


def from_unit(own: Any, other: Any, kept: Tensor, out: Optional[Tensor] = None) -> Tensor:
    """Fill a convolution, separable or not, and its normalisation; return its channels."""
    if out is None:
        out = best(other.norm.weight.abs(), own.norm.num_features)
    if hasattr(own, "depthwise"):
        own.depthwise.weight.copy_(fitted(other.depthwise.weight[kept], own.depthwise.weight))
        conv, theirs = own.pointwise, other.pointwise
    else:
        conv, theirs = own.conv, other.conv
    conv.weight.copy_(fitted(theirs.weight[out][:, kept], conv.weight))
    if conv.bias is not None and theirs.bias is not None:
        conv.bias.copy_(theirs.bias[out])
    if hasattr(own, "norm"):
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(own.norm, name).copy_(getattr(other.norm, name)[out])
    return out


def best(scale: Tensor, count: int) -> Tensor:
    """Return the channels of the greatest scale, in their order."""
    return scale.topk(count).indices.sort().values


def fitted(theirs: Tensor, own: Tensor) -> Tensor:
    """Return kernels in the size of another: the middle of a larger one, or zeros around it."""
    side, other = own.shape[-1], theirs.shape[-1]
    if side <= other:
        start = (other - side) // 2
        return theirs[..., start : start + side, start : start + side]
    start = (side - other) // 2
    return nn.functional.pad(theirs, (start, start, start, start))


if __name__ == "__main__":
    main()
