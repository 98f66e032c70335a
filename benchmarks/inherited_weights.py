"""Do inherited weights pay: a short training from a wider network's weights, beside a whole one?

The networks are those of benchmarks/curves that were trained from scratch to the end with several
seeds. Here each is trained shorter, from scratch and from the weights of the original Xception,
which is trained once: of every layer the channels of the greatest normalisation scale. What a
search needs of a shorter training is the order of the networks: its rank correlation with whole
trainings of other seeds is what is compared, next to that of one whole training. ::

    python benchmarks/inherited_weights.py
    python benchmarks/inherited_weights.py pcb --data DIR

Ctrl-C ends with the networks so far.

Source:
    Liu et al. 2017 (Network Slimming), section 3: a channel weighs what its normalisation's scale
    does.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from itertools import takewhile
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

from nas_edge import Architecture, SearchSpace, build_model, load_study_config
from nas_edge.data.batches import Batches
from nas_edge.data.source import load_image_set
from nas_edge.device.machine import find_device
from nas_edge.models.blocks import ResidualBlock
from nas_edge.models.xception import XceptionNet
from nas_edge.space.plan import Block, Plan
from nas_edge.training.loop import Hooks, train

CURVES = Path(__file__).resolve().parent / "curves"
SHARES = (0.5, 0.25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", nargs="?", default="synthetic", choices=("synthetic", "pcb"))
    parser.add_argument("--data", help="folder of the images, where they are not embedded")
    parser.add_argument("--networks", type=int, default=40)
    args = parser.parse_args()
    overrides = {} if args.data is None else {"data": {"source": "folder", "path": args.data}}
    config, _ = load_study_config(str(CURVES / f"{args.table}.yaml"), overrides)
    space = SearchSpace.load(config.space)
    device = find_device("cpu")
    torch.set_num_threads(device.num_cores)
    with tempfile.TemporaryDirectory() as place:
        images = load_image_set(config.data, config.recipe.image_size, Path(place))
        training = Training(config.recipe, images)
        epochs = config.recipe.epochs
        print(f"{device.name}, torch {torch.__version__}; {images.description}, {epochs} epochs")
        donor = next(iter(space.references.values()))
        wider, accuracy = training.of(donor, epochs)
        print(f"the wider network reaches {100 * accuracy:.1f}%", flush=True)
        truths: List[List[float]] = []
        rows: Dict[str, List[float]] = {}
        with contextlib.suppress(KeyboardInterrupt):
            for network, truth in repeated(args.table, space)[: args.networks]:
                if network == donor or not is_as_wide(donor.plan, network.plan):
                    continue
                found = {}
                for share in SHARES:
                    short = max(round(share * epochs), 1)
                    found[f"{short} epochs, scratch"] = training.of(network, short)[1]
                    found[f"{short} epochs, inherited"] = training.of(network, short, wider)[1]
                truths.append(truth)
                for way, value in found.items():
                    rows.setdefault(way, []).append(value)
                told = ", ".join(f"{way} {100 * value:.1f}%" for way, value in found.items())
                print(f"{100 * np.mean(truth):.1f}%: {told}", flush=True)
    if len(truths) < 2:
        sys.exit("no order without two networks: let it train more, or raise --networks")
    report(np.array(truths), rows)


def repeated(table: str, space: SearchSpace) -> List[Tuple[Architecture, List[float]]]:
    """Return the networks with several whole trainings and their last validation accuracies."""
    networks = pd.read_csv(CURVES / f"{table}_candidates.csv").set_index("candidate")
    curves = pd.read_csv(CURVES / f"{table}_curves.csv")
    last = curves.sort_values("epoch").groupby(["candidate", "seed"])["val_accuracy"].last()
    found = []
    for number, values in last.groupby("candidate"):
        if len(values) < 3:
            continue
        chosen = {name: networks.loc[number, name] for name in space.searched}
        plain = {k: v.item() if hasattr(v, "item") else v for k, v in chosen.items()}
        found.append((space.architecture(plain), list(values)))
    return found


def report(truths: Any, rows: Dict[str, List[float]]) -> None:
    """Print how each way orders the networks; the first seed's training is one of the ways.

    The truth is the mean of the other seeds: the trainings here begin with the first one's weights.
    """
    truth = truths[:, 1:].mean(axis=1)
    print(f"\n{len(truth)} networks; rank correlation with the mean of the whole trainings of")
    print(f"{truths.shape[1] - 1} other seeds, with its 95% interval:")
    for way, found in {"whole, scratch": list(truths[:, 0]), **rows}.items():
        values = np.array(found)
        low, high = interval(values, truth)
        print(
            f"{way:<22} {spearmanr(values, truth).statistic:.2f} ({low:.2f} to {high:.2f}); "
            f"mean {100 * values.mean():.1f}%, standard deviation {100 * values.std(ddof=1):.1f}"
        )


def interval(values: Any, truth: Any) -> Tuple[float, float]:
    """Return a 95% bootstrap interval of a rank correlation."""
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(truth), (2000, len(truth)))
    found = [spearmanr(values[draw], truth[draw]).statistic for draw in draws]
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return float(low), float(high)


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
        self, network: Architecture, epochs: int, wider: Optional[XceptionNet] = None
    ) -> Tuple[XceptionNet, float]:
        """Return a trained network and its last validation accuracy."""
        recipe = self._recipe.model_copy(update={"epochs": epochs})
        torch.manual_seed(0)
        model = build_model(
            network,
            self._num_outputs,
            dropout=recipe.dropout,
            bn_momentum=recipe.bn_momentum,
            init=recipe.init,
        )
        if wider is not None:
            inherit_weights(model, wider)
        model = model.to(memory_format=torch.channels_last)
        hooks = Hooks(lambda *_: None, lambda _: None, lambda: (0, 0, {}))
        result = train(model, *self._splits, recipe, 0, torch.device("cpu"), hooks)
        return model, result.history[-1].val_accuracy


# --- from the weights of another --------------------------------------------------------------


def is_as_wide(wide: Plan, narrow: Plan) -> bool:
    """Return whether a network is as wide as another, or wider, in every layer.

    A squeeze layer of the narrow one alone is no objection; where the wide one has one, the narrow
    one needs one too.
    """
    if len(wide.blocks) != len(narrow.blocks):
        return False
    stems, tails = zip(wide.stem, narrow.stem), zip(wide.tail, narrow.tail)
    return (
        all(a.out_channels >= b.out_channels for a, b in stems)
        and all(a.out_channels >= b.out_channels for a, b in tails)
        and all(_is_block_as_wide(*pair) for pair in zip(wide.blocks, narrow.blocks))
    )


def _is_block_as_wide(wide: Block, narrow: Block) -> bool:
    new = len(narrow.convs) - len(wide.convs)
    pairs = zip(wide.convs, narrow.convs[max(new, 0) :])
    return 0 <= new <= 1 and all(a.out_channels >= b.out_channels for a, b in pairs)


@torch.no_grad()
def inherit_weights(model: XceptionNet, wider: XceptionNet) -> None:
    """Fill a network with weights and statistics of a trained one.

    Args:
        model: The narrower one (`is_as_wide`), of the same outputs.
        wider: The trained one, which stays as it is.
    """
    kept = torch.arange(3)
    for own, other in zip(model.stem, wider.stem):
        kept = _take_unit(own, other, kept)
    blocks = list(wider.blocks)
    for i, own in enumerate(model.blocks):
        kept = _take_block(own, blocks[i:], kept)
    for own, other in zip(model.tail, wider.tail):
        kept = _take_unit(own, other, kept)
    model.head.weight.copy_(wider.head.weight[:, kept])
    model.head.bias.copy_(wider.head.bias)


def _take_block(own: nn.Module, others: Sequence[nn.Module], kept: Tensor) -> Tensor:
    """Fill a block from the first of the others; return which channels leave it."""
    other = others[0]
    assert isinstance(own, ResidualBlock)
    assert isinstance(other, ResidualBlock)
    if isinstance(own.residual, nn.Identity):
        out = kept
    else:
        conv = own.residual.get_submodule("conv")
        assert isinstance(conv, nn.Conv2d)
        out = _greatest(_scale_of_sum(others), conv.out_channels)
        _take_unit(own.residual, other.residual, kept, out)
    inner, units = kept, list(own.units)
    if len(units) > len(other.units):
        inner = _pass_on(units.pop(0), other.units[0], kept)
    for mine, theirs in zip(units[:-1], other.units):
        inner = _take_unit(mine, theirs, inner)
    _take_unit(units[-1], other.units[-1], inner, out)
    return out


def _scale_of_sum(blocks: Sequence[nn.Module]) -> Tensor:
    """Return the scale of each channel of a block's output, to which identity blocks add."""
    first, *rest = [block for block in blocks if isinstance(block, ResidualBlock)]
    adding = takewhile(lambda block: isinstance(block.residual, nn.Identity), rest)
    ends = [first.residual, *(block.units[len(block.units) - 1] for block in (first, *adding))]
    return torch.stack([_scale(end) for end in ends if _norm(end) is not None]).sum(dim=0)


def _take_unit(
    own: nn.Module, other: nn.Module, kept: Tensor, out: Optional[Tensor] = None
) -> Tensor:
    """Fill a convolution, separable or not, and its normalisation; return its channels."""
    mine, theirs = _last_conv(own), _last_conv(other)
    if out is None:
        out = _greatest(_scale(other), mine.out_channels)
    if hasattr(own, "depthwise"):
        kernels = other.get_parameter("depthwise.weight")[kept]
        _fill(own.get_parameter("depthwise.weight"), kernels)
    weight, shift = theirs.weight[out][:, kept], _bias(theirs)[out]
    norm, known = _norm(own), _norm(other)
    if norm is None and known is not None:
        # What normalises in inference is one factor and one sum a channel.
        factor = (known.weight / (_statistic(known, "running_var") + known.eps).sqrt())[out]
        shift = (shift - _statistic(known, "running_mean")[out]) * factor + known.bias[out]
        weight = weight * factor[:, None, None, None]
    _fill(mine.weight, weight)
    if mine.bias is not None:
        mine.bias.copy_(shift)
    if norm is not None and known is not None:
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(norm, name).copy_(getattr(known, name)[out])
        if mine.bias is None:
            _statistic(norm, "running_mean").sub_(shift)
    return out


def _pass_on(own: nn.Module, following: nn.Module, kept: Tensor) -> Tensor:
    """Have a new squeeze layer begin by passing on the inputs that weigh most in what follows.

    One that is wider than its input passes some on twice; a tenth of its first weights stays, so
    that two of a kind can become different.
    """
    conv = _last_conv(own)
    weights = _last_conv(following).weight[:, kept].abs().sum(dim=(0, 2, 3))
    kernels = following.get_parameter("depthwise.weight")[kept].abs().sum(dim=(1, 2, 3))
    order = (weights * kernels).argsort(descending=True)
    rows = torch.arange(conv.out_channels)
    places = order[rows % len(order)].sort().values
    own.get_parameter("depthwise.weight").fill_(1.0)
    conv.weight.mul_(0.1)
    conv.weight[rows, places] += 1.0
    return kept[places]


def _fill(own: Tensor, theirs: Tensor) -> None:
    """Write kernels into those of another size: the middle of larger ones, zeros around smaller."""
    margin = (own.shape[-1] - theirs.shape[-1]) // 2
    own.copy_(F.pad(theirs, [margin] * 4))


def _greatest(scale: Tensor, count: int) -> Tensor:
    """Return the channels of the greatest scale, in their order."""
    return scale.topk(count).indices.sort().values


def _scale(unit: nn.Module) -> Tensor:
    norm = _norm(unit)
    return torch.ones(_last_conv(unit).out_channels) if norm is None else norm.weight.abs()


def _last_conv(unit: nn.Module) -> nn.Conv2d:
    found: List[nn.Conv2d] = [m for m in unit.children() if isinstance(m, nn.Conv2d)]
    return found[-1]


def _norm(unit: nn.Module) -> Optional[nn.BatchNorm2d]:
    return next((m for m in unit.children() if isinstance(m, nn.BatchNorm2d)), None)


def _bias(conv: nn.Conv2d) -> Tensor:
    return torch.zeros(conv.out_channels) if conv.bias is None else conv.bias


def _statistic(norm: nn.BatchNorm2d, name: str) -> Tensor:
    return norm.get_buffer(name)


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s")
