"""The enforced limit: what it stops, what it lets pass, and what is recorded of either."""

import random
import statistics
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from nas_edge import run_study
from nas_edge.candidate import limit as limit_module
from nas_edge.candidate.evaluator import Job, TrainingEvaluator
from nas_edge.candidate.infeasible import is_stopped_by_limit, past_limit
from nas_edge.candidate.limit import KEEPS_BLOCKS, RETURNS_BLOCKS, allocator_for
from nas_edge.candidate.measurement import CRASHED, FINISHED, HUNG, OUT_OF_MEMORY, OVER_LIMIT
from nas_edge.candidate.process import ChildEnd
from nas_edge.config.study import RecipeConfig
from nas_edge.device.machine import find_device
from nas_edge.space.references import reference_architecture

MIB = 2**20
LARGE_COST = SimpleNamespace(  # an estimate that refuses nothing, of what is far too large
    lower_bound_bytes=0, peak_bytes=900 * MIB, tier="quick", source="a test", parts={}
)
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux bounds a process")

# Batches of 8 from 32 images; the whole set has 16 for validation and 16 for the test.
RECIPE = RecipeConfig(epochs=1, batch_size=8, image_size=32, weights="best")


class WidthSpace:
    """A point says how wide xception-lite is, in thirty-seconds."""

    def __init__(self, widths):
        self.searched = {"width": widths}

    def suggest(self, trial):
        return trial.suggest_categorical("width", list(self.searched["width"]))

    def contains(self, point):
        return point in self.searched["width"]

    def key(self, point):
        return str(point)


def network(width):
    lite = reference_architecture("xception-lite", width / 32)
    return replace(lite, middle=replace(lite.middle, blocks=1))


class Widths:
    """Hands a width's network to an evaluator."""

    def __init__(self, evaluator):
        self.evaluator = evaluator

    def bind(self, job):
        return Widths(self.evaluator.bind(job))

    def __call__(self, width):
        return self.evaluator(network(width))


# One thread: several wait for each other, which takes a machine that is busy many times as long.
CPU = replace(find_device("cpu"), num_cores=1)


def evaluator_of(images, **changes):
    given = {"recipe": RECIPE, "images": images, "device": CPU}
    return TrainingEvaluator(**{**given, **changes})


def candidates_of(images, folder, widths, **changes):
    """Return every candidate's measurement in a study of all its widths, by width."""
    records = run_study(
        WidthSpace(widths),
        Widths(evaluator_of(images, **changes)),
        trials=len(widths),
        out=folder,
        sampler="grid",
    )
    return {record.point: record.measurement for record in records}


def check_study(images, folder, widths):
    """Compare a study under the median of its candidates' needs with one that has no limit."""
    free = candidates_of(images, folder / "free", widths)
    assert {measured.outcome for measured in free.values()} == {FINISHED}
    needs = {width: measured.metrics["peak_memory"].value for width, measured in free.items()}
    # Between two needs, so that the probe's own spread moves none across.
    ordered = sorted(needs.values())
    middle = len(ordered) // 2
    limit = int(statistics.mean(ordered[middle - 1 : middle + 1]))

    # Without savers, by which some that are a little over it would fit.
    limited = candidates_of(
        images, folder / "limited", widths, memory_limit_bytes=limit, memory_saver="none"
    )

    assert set(limited) == set(widths)
    feasible = {width for width, need in needs.items() if need <= limit}
    assert len(feasible) == middle
    assert {width for width, m in limited.items() if m.is_finished} == feasible
    for width in feasible:
        assert limited[width].details["allocator"] in (RETURNS_BLOCKS, KEEPS_BLOCKS)
        assert limited[width].metrics["peak_memory"].value <= limit
    for width in set(widths) - feasible:
        refused = limited[width]
        assert refused.outcome == OVER_LIMIT
        assert refused.reason.startswith("needs ")
        assert refused.details["violation"] > 0
        known = refused.details.get("needs_bytes", refused.details.get("needs_more_than_bytes"))
        # The probe's spread, the estimate's error, or "more than the limit".
        assert limit <= known <= 1.2 * needs[width]
        assert refused.history == ()
    return limited, feasible


@linux
def test_a_limit_refuses_what_needs_more_and_lets_the_rest_train(images, tmp_path):
    limited, feasible = check_study(images, tmp_path, (4, 5, 8, 10))
    for width in feasible:
        assert limited[width].details["limit_enforced"] == "RLIMIT_DATA"


@linux
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_no_accepted_candidate_runs_out_and_no_feasible_one_is_refused(images, tmp_path, seed):
    # From 10 to some 150 MiB: below and above the bound's allowance.
    widths = random.Random(seed).sample(range(4, 25), 6)
    check_study(images, tmp_path, tuple(widths))


@linux
def test_a_probe_that_would_take_far_too_much_is_stopped_and_censored(
    images, tmp_path, monkeypatch
):
    # Without the estimate's refusal: what it does for a candidate that it takes for too small.
    monkeypatch.setattr(
        "nas_edge.candidate.evaluator.estimate_cost",
        lambda *_, **__: LARGE_COST,
    )
    recipe = RECIPE.model_copy(update={"batch_size": 256, "image_size": 96})
    evaluator = evaluator_of(images, recipe=recipe, memory_limit_bytes=20 * MIB)
    measured = evaluator.bind(Job(0, 0, tmp_path))(network(4))
    assert measured.outcome == OVER_LIMIT
    assert measured.reason.startswith(
        "needs more than the limit of 20.0 MiB of training memory, an estimated 900.0 MiB: "
    )
    assert measured.details["needs_more_than_bytes"] == 20 * MIB
    assert measured.details["limit_enforced"] == "RLIMIT_DATA"
    assert measured.details["violation"] == pytest.approx(44.0)
    assert "peak_memory" not in measured.metrics


@linux
@pytest.mark.slow
def test_whatever_fails_first_in_a_bounded_probe_it_is_over_the_limit(
    images, tmp_path, monkeypatch
):
    # Every limit stops the work at another place: in torch's allocator, in oneDNN's, in C++.
    monkeypatch.setattr(
        "nas_edge.candidate.evaluator.estimate_cost",
        lambda *_, **__: LARGE_COST,
    )
    recipe = RECIPE.model_copy(update={"batch_size": 64, "image_size": 96})
    for number in range(14):
        evaluator = evaluator_of(
            images, recipe=recipe, memory_limit_bytes=1 + number * (3 * MIB + 12345)
        )
        measured = evaluator.bind(Job(number, 0, tmp_path / str(number)))(network(4))
        assert measured.outcome == OVER_LIMIT, measured.reason


@linux
def test_a_training_that_ran_out_for_kept_blocks_is_done_with_the_other_allocator(
    images, tmp_path, monkeypatch
):
    calls = []

    def run_in_child(task, job, *_):
        calls.append((task.rpartition(":")[2], job.get("allocator")))
        if calls[-1][1] == KEEPS_BLOCKS:
            return ChildEnd(None, OVER_LIMIT, "can't allocate", facts={"allocator": KEEPS_BLOCKS})
        if calls[-1][1] == RETURNS_BLOCKS:
            return ChildEnd(None, HUNG, "as far as this test goes")
        return ChildEnd({"peak_bytes": 5 * MIB, "source": "a test"})

    monkeypatch.setattr("nas_edge.candidate.evaluator.run_in_child", run_in_child)
    evaluator = evaluator_of(images, memory_limit_bytes=200 * MIB)
    assert evaluator.bind(Job(0, 0, tmp_path))(network(4)).outcome == HUNG
    assert calls == [
        ("probe", None),
        ("train_candidate", KEEPS_BLOCKS),
        ("train_candidate", RETURNS_BLOCKS),
    ]


def test_the_slow_allocator_is_used_only_where_the_limit_is_near():
    assert allocator_for(None, 100, "cpu") == KEEPS_BLOCKS
    assert allocator_for(150, 100, "cpu") == KEEPS_BLOCKS
    assert allocator_for(149, 100, "cpu") == RETURNS_BLOCKS
    assert allocator_for(149, 100, "cuda") == KEEPS_BLOCKS


@linux
def test_a_training_says_how_its_limit_is_held_and_which_allocator_it_had(images, tmp_path):
    free = evaluator_of(images).bind(Job(0, 0, tmp_path / "free"))(network(4))
    assert "limit_enforced" not in free.details
    need = free.metrics["peak_memory"].value
    for number, (factor, allocator) in enumerate(((1.2, RETURNS_BLOCKS), (3.0, KEEPS_BLOCKS))):
        limit = int(factor * need)
        limited = evaluator_of(images, memory_limit_bytes=limit)
        measured = limited.bind(Job(number, 0, tmp_path / str(number)))(network(4))
        assert measured.is_finished, measured.reason
        assert measured.details["limit_enforced"] == "RLIMIT_DATA"
        assert measured.details["allocator"] == allocator
        assert measured.details["limit_bound_bytes"] >= limit
        # The same training, whichever allocator it has and wherever its best weights are kept.
        losses = [one.history[0]["val_loss"] for one in (free, measured)]
        assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_a_system_that_bounds_no_process_says_so(monkeypatch):
    monkeypatch.setattr("nas_edge.device.memory_bound.sys.platform", "darwin")
    sent = []
    job = {"memory_limit": 100 * MIB, "checkpoint": "x/checkpoint.pt"}
    device = torch.device("cpu")
    bound = limit_module.enforce(job, device, sent.append, allocator=KEEPS_BLOCKS)
    assert bound.how == ""
    assert sent == [
        {
            "event": "facts",
            "is_bounded": False,
            "facts": {
                "limit_enforced": "no: darwin bounds no process's memory; the probe alone decides",
                "allocator": KEEPS_BLOCKS,
            },
        }
    ]
    assert limit_module.keeper(job, bound) is __import__("copy").deepcopy


def test_no_limit_bounds_nothing_and_says_nothing():
    sent = []
    limit_module.enforce({"memory_limit": None}, torch.device("cpu"), sent.append)
    assert sent == []


@pytest.mark.parametrize(
    ("kind", "is_unexplained", "estimated", "is_probed", "stopped"),
    [
        (OVER_LIMIT, False, 10, False, True),
        (OVER_LIMIT, False, 10, True, True),
        (CRASHED, True, 90, False, True),
        (CRASHED, True, 89, False, False),
        (CRASHED, True, 200, True, False),
        (CRASHED, False, 200, False, False),
        (OUT_OF_MEMORY, False, 200, False, False),
    ],
)
def test_an_unexplained_end_is_the_limits_only_near_it_and_before_the_probe_accepts(
    kind, is_unexplained, estimated, is_probed, stopped
):
    end = ChildEnd(None, kind, "could not create a primitive", is_unexplained=is_unexplained)
    assert is_stopped_by_limit(end, 100, estimated, is_probed=is_probed) is stopped


def test_a_censored_candidate_violates_its_limit_even_where_its_estimate_does_not():
    end = ChildEnd(None, OVER_LIMIT, "can't allocate memory")
    censored = past_limit({}, end, 100 * MIB, 90 * MIB)
    assert 0 < censored.details["violation"] < 0.1
    assert replace(censored, details={}).outcome == OVER_LIMIT


@pytest.mark.gpu
def test_on_a_gpu_the_allocator_holds_the_limit(images, tmp_path):
    free = evaluator_of(images, device=find_device("cuda"))
    needs = free.bind(Job(0, 0, tmp_path / "free"))(network(8)).metrics["peak_memory"].value
    limited = replace(free, memory_limit_bytes=int(needs))
    measured = limited.bind(Job(1, 0, tmp_path / "limited"))(network(8))
    assert measured.is_finished, measured.reason
    assert measured.details["limit_enforced"] == "torch.cuda memory fraction"


@pytest.mark.gpu
def test_on_a_gpu_a_probe_past_the_limit_is_stopped(images, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "nas_edge.candidate.evaluator.estimate_cost",
        lambda *_, **__: LARGE_COST,
    )
    recipe = RECIPE.model_copy(update={"batch_size": 512, "image_size": 96})
    evaluator = evaluator_of(
        images, recipe=recipe, device=find_device("cuda"), memory_limit_bytes=20 * MIB
    )
    measured = evaluator.bind(Job(0, 0, tmp_path))(network(4))
    assert measured.outcome == OVER_LIMIT
    assert measured.details["needs_more_than_bytes"] == 20 * MIB
