"""Runs of known figures, logs of known epochs, and the authors' own logs where they are."""

import csv
import os
from pathlib import Path

import pytest

from nas_edge import Measurement, Metric, run_study
from nas_edge.candidate.evaluator import StartWeights
from nas_edge.config.study import PAPER_RECIPE, RecipeConfig
from nas_edge.space.baselines import network_of_name
from nas_edge.study.named_networks import NamedNetwork, NamedNetworks

MIB = 2**20
# network: train accuracy, test accuracy, millions of parameters, MiB, seconds an epoch.
FIGURES = {
    "xception": (0.95, 0.78, 21.0, 900, 13),
    "xception-lite": (0.96, 0.80, 15.6, 700, 10),
    "mobilenetv2": (0.97, 0.55, 2.3, 400, 6),
    "squeezenet": (0.80, 0.62, 0.7, 150, 3),
}
COLUMNS = ("Epoch", "Loss", "Acc", "Val_acc", "Mem_Use", "GPU_Use", "Pow_Cons", "Time")


class Listed:
    """Points are networks' names, all of them references."""

    def __init__(self, names):
        self.names = list(names)
        self.references = {name: name for name in names}
        self.searched = {"name": tuple(names)}

    def suggest(self, trial):
        return trial.suggest_categorical("name", self.names)

    def contains(self, point):
        return point in self.names

    def key(self, point):
        return point

    def parameters(self, point):
        return {"name": point}


def transferred(names, origin):
    """Return the space of networks that begin with the weights of a run's trials."""
    return NamedNetworks(
        {
            name: NamedNetwork(
                name,
                network_of_name(name),
                StartWeights(Path("weights.pt"), f"{origin} {name}"),
                f"{origin}:{number}",
            )
            for number, name in enumerate(names)
        }
    )


def measured(name, seed, source, device, epochs=3):
    """Return the figures of `FIGURES`, a hundredth better in accuracy for each seed."""
    train, test, millions, mib, seconds = FIGURES[name.partition(" x")[0]]
    test += seed / 100
    values = {
        "train_accuracy": (train, "share", "training batches"),
        "test_accuracy": (test, "share", "test images"),
        "val_accuracy": (test, "share", "validation images, epoch 3"),
        "params": (millions * 1e6, "count", "counted"),
        "peak_memory": (mib * MIB, "bytes", source),
        "mean_memory": (0.9 * mib * MIB, "bytes", "process tree PSS"),
        "train_peak_memory": (1.2 * mib * MIB, "bytes", "process tree PSS"),
        "epoch_time": (seconds + seed, "s", "mean wall time an epoch"),
        "batch_latency": (5.0 * seconds, "ms", "median of a forward pass, batch 16"),
    }
    history = [
        {
            "epoch": epoch,
            "train_accuracy": train - 0.1 * (epochs - epoch),
            "val_accuracy": test - 0.1 * (epochs - epoch),
            "peak_memory_bytes": int(mib * MIB) + epoch,
            "seconds": float(seconds),
        }
        for epoch in range(1, epochs + 1)
    ]
    return Measurement(
        metrics={metric: Metric(*figure) for metric, figure in values.items()},
        history=tuple(history),
        device={"kind": "cpu", "name": device},
    )


@pytest.fixture(scope="session")
def make_run(tmp_path_factory):
    """Return a function that makes a run of known figures and returns its folder."""

    def make(
        name,
        seed=0,
        task="pcb",
        setting="scratch",
        names=tuple(FIGURES),
        source="VmHWM",
        device="Some CPU",
        classes=("0", "1"),
        evaluate=None,
        origin=None,
        **recipe,
    ):
        settings = {**PAPER_RECIPE, "epochs": 3, "image_size": 64, **recipe}
        identity = {
            "recipe": RecipeConfig(**settings).model_dump(),
            "data": {
                "identity": "abc",
                "classes": list(classes),
                "counts": {"train": 2000, "val": 500, "test": 500},
            },
            "device": {"kind": "cpu", "name": device},
        }
        if task is not None:
            identity["reproduce"] = {"task": task, "setting": setting}
        out = tmp_path_factory.mktemp("runs") / name

        def known(point):
            return measured(getattr(point, "name", point), seed, source, device)

        run_study(
            Listed(names) if origin is None else transferred(names, origin),
            evaluate or known,
            trials=len(names) if origin is None else None,
            out=out,
            sampler="grid" if origin is None else "random",
            seed=seed,
            identity=identity,
        )
        return out

    return make


@pytest.fixture(scope="session")
def three_seeds(make_run):
    """Folders of three runs that differ in the seed."""
    return [str(make_run(f"seed{seed}", seed)) for seed in (0, 1, 2)]


@pytest.fixture
def write_log(tmp_path):
    """Return a function that writes one of the authors' logs from rows of its columns."""

    def write(folder, network, rows, columns=COLUMNS):
        path = tmp_path / "history" / folder / f"{network}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([columns, *rows])
        return path.parents[1]

    return write


@pytest.fixture(scope="session")
def history():
    """Return the folder of the authors' logs, or skip."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "paper_history"
    folder = Path(os.environ.get("NAS_EDGE_PAPER_HISTORY", str(beside)))
    if not folder.is_dir():
        pytest.skip("no logs of the authors (NAS_EDGE_PAPER_HISTORY)")
    return folder
