"""Real candidates in real processes: the probe, the training, and what is recorded of them."""

import shutil
import statistics
from dataclasses import replace

import pytest
import torch

from nas_edge.candidate.estimate import estimate_cost
from nas_edge.candidate.evaluator import PROBE_TASK, Job, TrainingEvaluator
from nas_edge.candidate.measurement import DIVERGED, OUT_OF_MEMORY, OVER_LIMIT, Measurement
from nas_edge.candidate.process import ChildLimits, run_in_child
from nas_edge.config.study import RecipeConfig
from nas_edge.device.machine import find_device, num_usable_cores
from nas_edge.errors import EnvironmentProblem
from nas_edge.space.references import reference_architecture
from nas_edge.space.training_choices import TrainedArchitecture
from nas_edge.training.checkpoint import load_checkpoint

SMALL = reference_architecture("xception-lite", 1 / 8)
SMALL = replace(SMALL, middle=replace(SMALL.middle, blocks=1))
LARGE = reference_architecture("xception", 0.5)
RECIPE = RecipeConfig(epochs=2, batch_size=8, image_size=32, learning_rate=0.01)


def evaluator_of(images, **changes):
    given = {"recipe": RECIPE, "images": images, "device": find_device("cpu")}
    return TrainingEvaluator(**{**given, **changes})


def probe(network, recipe, folder, saver="none"):
    job = {
        "architecture": network.to_dict(),
        "recipe": recipe.model_dump(),
        "num_outputs": 1,
        "seed": 0,
        "device": "cpu",
        "num_threads": num_usable_cores(),
        "saver": saver,
    }
    end = run_in_child(PROBE_TASK, job, folder / "log.txt", ChildLimits(), lambda message: None)
    assert end.result is not None, end.reason
    return end.result["peak_bytes"]


def test_a_finished_candidate_has_every_figure_with_unit_and_source(images, tmp_path):
    messages = []
    evaluator = evaluator_of(images, keep_weights=True)
    measured = evaluator.bind(Job(4, 11, tmp_path, messages.append))(SMALL)
    assert measured.is_finished, measured.reason
    units = {name: metric.unit for name, metric in measured.metrics.items()}
    assert units == {
        "val_accuracy": "share",
        "train_accuracy": "share",
        "test_accuracy": "share",
        "peak_memory": "bytes",
        "mean_memory": "bytes",
        "train_peak_memory": "bytes",
        "latency": "ms",
        "batch_latency": "ms",
        "epoch_time": "s",
        "params": "count",
        "macs": "count",
    }
    assert all(metric.source for metric in measured.metrics.values())
    assert measured.seed == 11
    assert measured.device["kind"] == "cpu"
    assert measured.versions["torch"] == str(torch.__version__)
    assert measured.wall_s >= sum(row["seconds"] for row in measured.history)
    assert [row["epoch"] for row in measured.history] == [1, 2]
    assert measured.metrics["val_accuracy"].value == measured.history[-1]["val_accuracy"]
    assert Measurement.from_dict(measured.to_dict()) == measured
    events = [message["event"] for message in messages]
    assert events.index("probed") < events.index("epoch")
    assert events.count("epoch") == 2
    weights = load_checkpoint(tmp_path / "weights.pt")
    assert weights["architecture"] == SMALL.to_dict()


def test_a_point_with_its_training_is_trained_by_that(images, tmp_path):
    training = (("precision", "bf16"), ("optimizer", "sgd"), ("micro_batch", 4))
    evaluator = evaluator_of(images, recipe=RECIPE.model_copy(update={"epochs": 1}))
    chosen = evaluator.bind(Job(0, 3, tmp_path / "a"))(TrainedArchitecture(SMALL, training))
    changed = evaluator.recipe.model_copy(update=dict(training))
    by_recipe = replace(evaluator, recipe=changed).bind(Job(0, 3, tmp_path / "b"))(SMALL)
    by_study = evaluator.bind(Job(0, 3, tmp_path / "c"))(SMALL)
    assert chosen.details["train"] == dict(training)
    assert "train" not in by_study.details
    losses = [measured.history[0]["loss"] for measured in (chosen, by_recipe, by_study)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0] != pytest.approx(losses[2], rel=1e-4)
    # Not "less than by the study's": bf16 kernels for AMX take more than this network does.
    peaks = [measured.metrics["peak_memory"].value for measured in (chosen, by_recipe, by_study)]
    assert peaks[0] == pytest.approx(peaks[1], rel=0.05)
    assert peaks[0] != pytest.approx(peaks[2], rel=0.05)


@pytest.mark.slow
def test_the_seed_decides_the_accuracies(images, tmp_path):
    histories = []
    for number, seed in enumerate((3, 3, 4)):
        bound = evaluator_of(images).bind(Job(number, seed, tmp_path / str(number)))
        rows = bound(SMALL).history
        histories.append([row[name] for row in rows for name in ("loss", "val_loss")])
    assert histories[0] == pytest.approx(histories[1], rel=1e-4)
    assert histories[0] != pytest.approx(histories[2], rel=1e-4)


def test_what_the_estimate_refuses_is_never_started(images, tmp_path):
    measured = evaluator_of(images, memory_limit_bytes=2**20).bind(Job(0, 0, tmp_path))(SMALL)
    assert measured.outcome == OVER_LIMIT
    assert "an estimated" in measured.reason
    assert measured.details["violation"] > 0
    assert not (tmp_path / "log.txt").exists()


def test_what_the_probe_finds_too_large_is_not_trained(images, tmp_path):
    # Above the lower bound, below what is needed.
    limit = estimate_cost(SMALL, RECIPE, 1).lower_bound_bytes + 1
    messages = []
    evaluator = evaluator_of(images, memory_limit_bytes=limit)
    measured = evaluator.bind(Job(0, 0, tmp_path, messages.append))(SMALL)
    assert measured.outcome == OVER_LIMIT
    assert "estimated" not in measured.reason
    need = measured.metrics["peak_memory"].value
    assert need > limit
    assert measured.details["violation"] == pytest.approx(need / limit - 1)
    assert "epoch" not in [message["event"] for message in messages]
    assert measured.history == ()


def test_running_out_of_memory_is_a_censored_point(images, tmp_path):
    # Three tebibytes of images a batch: the first allocation fails at once.
    recipe = RECIPE.model_copy(update={"batch_size": 65536, "image_size": 2048})
    measured = evaluator_of(images, recipe=recipe).bind(Job(0, 0, tmp_path))(SMALL)
    assert measured.outcome == OUT_OF_MEMORY
    assert measured.is_infeasible
    assert measured.reason.startswith("needs more than ")
    assert measured.details["needs_more_than_bytes"] > 0
    assert "peak_memory" not in measured.metrics


def test_divergence_is_recorded_with_its_memory(images, tmp_path):
    recipe = RECIPE.model_copy(
        update={"optimizer": "sgd", "learning_rate": 1e30, "schedule": "constant", "epochs": 5}
    )
    measured = evaluator_of(images, recipe=recipe).bind(Job(0, 0, tmp_path))(SMALL)
    assert measured.outcome == DIVERGED
    assert "epoch" in measured.reason
    assert "peak_memory" in measured.metrics


def test_decoded_images_that_are_gone_are_no_fault_of_the_candidate(images, tmp_path):
    copy = replace(images, folder=tmp_path / "cache")
    shutil.copytree(images.folder, copy.folder)
    (copy.folder / "train-images.npy").write_bytes(b"")
    with pytest.raises(EnvironmentProblem, match="the decoded images are damaged"):
        evaluator_of(copy).bind(Job(0, 0, tmp_path / "a"))(SMALL)
    shutil.rmtree(copy.folder)
    with pytest.raises(EnvironmentProblem, match="the decoded images are gone"):
        evaluator_of(copy).bind(Job(0, 0, tmp_path / "b"))(SMALL)


def test_an_evaluator_without_a_job_leaves_the_current_folder_alone(images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    limited = evaluator_of(images, memory_limit_bytes=2**20)
    assert limited(SMALL).outcome == OVER_LIMIT
    assert [path.name for path in tmp_path.iterdir()] == ["temporary"]


@pytest.mark.slow
def test_the_probe_repeats_within_half_a_percent(tmp_path):
    # About 100 MiB: the kernel's own count of resident pages is rounded by some 0.25 MiB.
    recipe = RecipeConfig(image_size=64, batch_size=32)
    network = reference_architecture("xception-lite", 0.25)
    peaks = [probe(network, recipe, tmp_path) for _ in range(5)]
    assert statistics.stdev(peaks) <= 0.005 * statistics.mean(peaks)


def test_micro_batches_lower_the_peak_as_the_estimate_says(tmp_path):
    network = reference_architecture("xception-lite", 0.25)
    recipes = [
        RecipeConfig(image_size=64, batch_size=32, micro_batch=micro_batch)
        for micro_batch in (None, 4)
    ]
    whole, parts = (probe(network, recipe, tmp_path) for recipe in recipes)
    assert parts < 0.6 * whole  # 0.38 was measured
    # A wider margin than was measured, as below.
    assert parts == pytest.approx(estimate_cost(network, recipes[1], 1).peak_bytes, rel=0.2)


def test_the_probe_orders_networks_and_is_near_the_estimate(tmp_path):
    recipe = RecipeConfig(image_size=48, batch_size=16)
    peaks = [probe(network, recipe, tmp_path) for network in (SMALL, LARGE)]
    costs = [estimate_cost(network, recipe, 1) for network in (SMALL, LARGE)]
    assert peaks[0] < peaks[1]
    # A wider margin than was measured (benchmarks/estimate_accuracy.py): another processor or
    # torch compiles other kernels.
    assert peaks[1] == pytest.approx(costs[1].peak_bytes, rel=0.2)
    assert all(cost.lower_bound_bytes < peak for cost, peak in zip(costs, peaks))
