"""Do inherited weights pay: a short training from a wider network's weights, beside a whole one?

The networks are those of benchmarks/curves that were trained from scratch to the end with several
seeds; the mean of their accuracies is the truth. Here each is trained shorter, from scratch and
from the weights of the original Xception, which is trained once. What a search needs of a shorter
training is the order of the networks: its rank correlation with the truth is what is compared, next
to that of one whole training with the mean of the others. ::

    python benchmarks/inherited_weights.py
    python benchmarks/inherited_weights.py pcb --data DIR

Ctrl-C ends with the networks so far.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

from nas_edge import Architecture, SearchSpace, build_model, load_study_config
from nas_edge.data.batches import Batches
from nas_edge.data.source import load_image_set
from nas_edge.device.machine import find_device
from nas_edge.models.inheritance import inherit_weights
from nas_edge.models.xception import XceptionNet
from nas_edge.space.widths import is_as_wide
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
        _, donor = next(iter(space.references.items()))
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
    mean = truths.mean(axis=1)
    print(f"\n{len(mean)} networks; whole trainings: mean {100 * mean.mean():.1f}%")
    ranks = [
        spearmanr(truths[:, i], np.delete(truths, i, axis=1).mean(axis=1)).statistic
        for i in range(truths.shape[1])
    ]
    told = ", ".join(f"{rank:.2f}" for rank in ranks)
    print(f"one whole training with the mean of the others: rank correlation {told}")
    for way, found in rows.items():
        values = np.array(found)
        low, high = interval(values, mean)
        print(
            f"{way:<22} mean {100 * values.mean():.1f}%, standard deviation "
            f"{100 * values.std(ddof=1):.1f} points; rank correlation with the mean of all "
            f"{spearmanr(values, mean).statistic:.2f} ({low:.2f} to {high:.2f})"
        )


def interval(values: Any, mean: Any) -> Tuple[float, float]:
    """Return a 95% bootstrap interval of a rank correlation."""
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(mean), (2000, len(mean)))
    found = [spearmanr(values[draw], mean[draw]).statistic for draw in draws]
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


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s")
