"""A real study that searches training beside the network, from its file to its report."""

import json

import optuna
import pytest
import yaml

from nas_edge import open_run
from nas_edge.cli.main import main

SEARCH = {
    "precision": ["fp32", "bf16"],
    "optimizer": ["adamw", {"name": "sgd", "learning_rate": 0.05}],
    "micro_batch": [None, 4],
}

NUM_TRIALS = 5


def call(*arguments):
    from click.testing import CliRunner

    return CliRunner().invoke(main, [str(one) for one in arguments], prog_name="nas-edge")


@pytest.fixture(scope="module")
def searched(tmp_path_factory, make_workplace):
    """A finished run whose trials are trained in different ways; not to be changed."""
    place = make_workplace(tmp_path_factory.mktemp("searched"))
    place.write(
        search=SEARCH, trials=NUM_TRIALS, recipe={"epochs": 1, "batch_size": 8, "image_size": 24}
    )
    code, place.out, err = place.call("run", "tiny.yaml", "--quiet")
    assert code == 0, err
    return place


@pytest.mark.slow
def test_each_trial_was_trained_as_its_parameters_say(searched):
    trials = searched.trials()
    records = {record.number: record for record in open_run(searched.run_folder).records}

    assert len(records) == NUM_TRIALS
    assert len({json.dumps(r.point["train"], sort_keys=True) for r in records.values()}) > 1
    for trial in trials:
        training = records[trial.number].point["train"]
        assert trial.params["train.precision"] == training["precision"]
        assert trial.params["train.micro_batch"] == training["micro_batch"]
        assert training["optimizer"] in trial.params["train.optimizer"]
        assert training["learning_rate"] == {"adamw": 0.002, "sgd": 0.05}[training["optimizer"]]
        measured = records[trial.number].measurement
        assert measured.is_finished, measured.reason
        assert measured.details["train"] == training


@pytest.mark.slow
def test_the_front_and_the_report_tell_the_training(searched):
    assert "training" in searched.out
    front = open_run(searched.run_folder).front()[0]
    said = "micro-batch 4" if front.point["train"]["micro_batch"] else "whole batch"
    assert said in searched.out
    assert said in (searched.run_folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("number", range(NUM_TRIALS))
def test_show_and_estimate_take_a_trial_and_its_file(searched, number):
    run = searched.run_folder
    training = open_run(run).record(number).point["train"]
    file = run / "candidates" / f"{number:04d}" / "architecture.yaml"
    assert yaml.safe_load(file.read_text())["train"] == training

    for what in (f"{run}:{number}", file):
        shown = json.loads(call("show", what, "--json").output)
        assert "train" not in shown["architecture"]
        assert shown["num_params"] > 0
        assert f"trained with {training['precision']}, {training['optimizer']}" in shown["name"]
        head = call("estimate", what).output.splitlines()[0]
        assert f", {training['optimizer']}, {training['precision']}, " in head
        assert (" in parts of 4" in head) == (training["micro_batch"] == 4)


@pytest.mark.slow
def test_estimate_differs_by_the_trials_own_training(searched):
    whole, parts = (
        json.loads(call("estimate", f"{searched.run_folder}:0", *options, "--json").output)[0]
        for options in (("--batch-size", 16), ("--batch-size", 16, "--micro-batch", 4))
    )
    assert parts["peak_bytes"] < whole["peak_bytes"]


@pytest.mark.slow
def test_the_run_goes_on_from_its_resolved_file_and_with_no_other_search(searched, tmp_path):
    resolved = searched.run_folder / "study.yaml"
    code, _, err = searched.call("run", resolved, "--out", searched.run_folder, "--quiet")
    assert (code, err) == (0, "")

    searched.write(search={**SEARCH, "micro_batch": [None, 2]}, trials=5)
    code, _, err = searched.call("run", "tiny.yaml")
    assert code == 2
    assert "space.train.micro_batch was [None, 4] and is now [None, 2]" in err


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"precision": ["fp32", "fp16"]}, "search.precision must be fp32 or bf16 on a CPU, but"),
        ({"precision": []}, "search.precision must have at least 1 entries, but got []"),
        ({"speed": [1]}, "search.speed is not a known key"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_made(workplace, section, says):
    workplace.write(search=section)
    code, out, err = workplace.call("run", "tiny.yaml", "--device", "cpu")

    assert (code, out) == (2, "")
    assert err.startswith(f"nas-edge: error: tiny.yaml: {says}")
    assert err.count("\n") == 1
    assert not workplace.run_folder.exists()


def test_8_bit_adam_without_its_library_is_refused_before_anything_is_made(workplace):
    workplace.write(search={"optimizer": ["adamw", "adam8bit"]})
    code, _, err = workplace.call(
        "run", "tiny.yaml", code="import sys; sys.modules['bitsandbytes'] = None"
    )

    assert code == 2
    assert err.startswith(
        "nas-edge: error: tiny.yaml: search.optimizer adam8bit needs bitsandbytes"
    )
    assert not workplace.run_folder.exists()


@pytest.mark.slow
def test_a_limit_that_only_a_searched_training_fits_is_no_reason_to_refuse(workplace):
    import numpy as np

    from nas_edge.candidate.estimate import estimate_cost
    from nas_edge.config.study import RecipeConfig
    from nas_edge.space.search_space import SearchSpace
    from nas_edge.space.smallest import smallest_points

    space = SearchSpace.load(str(workplace.folder / "tiny_space.yaml"))
    (point,) = smallest_points(space, 24, count=1)
    recipes = [RecipeConfig(image_size=24, batch_size=64, micro_batch=m) for m in (None, 2)]
    whole, parts = (estimate_cost(point, recipe, 1).lower_bound_bytes for recipe in recipes)
    limit = {"memory_limit": f"{int(np.mean([whole, parts]))}B", "trials": 1}
    recipe = {"epochs": 1, "batch_size": 64, "image_size": 24}

    workplace.write(recipe=recipe, **limit)
    code, _, err = workplace.call("run", "tiny.yaml", "--quiet")
    assert code == 2
    assert "memory_limit must be at least what the smallest candidate needs" in err
    workplace.write(recipe=recipe, search={"micro_batch": [None, 2]}, **limit)
    code, _, err = workplace.call("run", "tiny.yaml", "--quiet")
    assert code == 0, err


def test_a_run_without_a_search_section_stores_no_trace_of_one(finished):
    path = (finished.run_folder / "study.db").resolve()
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{path}")
    identity = study.user_attrs["nas_edge:identity"]

    assert not any(name.startswith("train.") for name in identity["space"])
    assert "micro_batch" not in identity["recipe"]
    assert "search" not in identity
    assert all("train" not in record.point for record in open_run(finished.run_folder).records)
