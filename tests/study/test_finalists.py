"""Finalists: the front and the handcrafted networks of a real search, trained again."""

import shutil
from dataclasses import replace

import pytest
import yaml

from nas_edge import Measurement, finalize_run, open_run, run_study, run_training_study
from nas_edge.candidate.infeasible import over_limit
from nas_edge.config.study import build_study_config, load_study_config
from nas_edge.device.machine import find_device
from nas_edge.errors import ConfigError, DataError, StudyError
from nas_edge.report.finalists import finalists_of
from nas_edge.space.baselines import network_of_point
from nas_edge.study.finalist_space import (
    Finalist,
    FinalistSpace,
    finalist_seeds,
    network_key,
    network_name,
)
from nas_edge.study.finalists import _evaluator, _images_of, _notes, _with_epochs, chosen_finalists

STUDY = {
    "name": "tiny",
    "space": "space.yaml",
    "data": {"source": "synthetic-pcb", "synthetic": {"train": 16, "val": 16, "test": 16}},
    "recipe": {"epochs": 1, "batch_size": 8, "image_size": 24},
    "search": {"optimizer": ["adamw", {"name": "sgd", "learning_rate": 0.05}]},
    "trials": 3,
    "sampler": "random",
}


@pytest.fixture(scope="module")
def search(tmp_path_factory, small_space):
    """A finished search with its training searched, too; not to be changed."""
    place = tmp_path_factory.mktemp("search")
    (place / "space.yaml").write_text(yaml.safe_dump(small_space))
    (place / "tiny.yaml").write_text(yaml.safe_dump(STUDY))
    config, file = load_study_config(str(place / "tiny.yaml"))
    run_training_study(config, out=place / "run", beside=file.parent, device="cpu")
    return place / "run"


@pytest.fixture(scope="module")
def finalized(search, tmp_path_factory):
    """A copy with finalists from two seeds, by two calls; not to be changed."""
    run = tmp_path_factory.mktemp("finalized") / "run"
    shutil.copytree(search, run)
    finalize_run(run, seeds=1, device="cpu")
    finalize_run(run, seeds=2, device="cpu")
    return run


@pytest.fixture
def copy(search, tmp_path):
    shutil.copytree(search, tmp_path / "run")
    return tmp_path / "run"


def test_front_and_references_are_trained_from_each_new_seed(finalized):
    run = open_run(finalized)
    chosen = chosen_finalists(run)
    records = run.finalists.records
    seeds = finalist_seeds(0, 2)
    assert [(r.name, r.measurement.seed) for r in records] == [
        (f"{one.name}, seed {place}", seed) for place, seed in enumerate(seeds, 1) for one in chosen
    ]
    assert not set(seeds) & {record.measurement.seed for record in run.records}
    assert all("test_accuracy" in record.measurement.metrics for record in records)
    assert {network_key(record) for record in records} == {one.key for one in chosen}
    assert {network_name(record) for record in records} == {one.name for one in chosen}


def test_each_finalist_keeps_its_network_and_its_searched_training(finalized):
    run = open_run(finalized)
    by_key = {record.key: record for record in run.records}
    assert {record.point["train"]["optimizer"] for record in run.records} == {"adamw", "sgd"}
    for record in run.finalists.records:
        origin = by_key[network_key(record)]
        assert network_of_point(record.point) == network_of_point(origin.point)
        assert record.measurement.details["train"] == origin.point["train"]


def test_memory_does_not_depend_on_the_seed(finalized):
    run = open_run(finalized)
    for record in run.finalists.records:
        origin = next(one for one in run.records if one.key == network_key(record))
        assert record.value("peak_memory") == pytest.approx(origin.value("peak_memory"), rel=0.25)
        assert record.value("params") == origin.value("params")


def test_the_same_call_trains_nothing_more(finalized):
    events = []
    finalize_run(finalized, seeds=2, device="cpu", on_event=events.append)
    assert "candidate" not in [event["event"] for event in events]
    study = next(event for event in events if event["event"] == "study")
    assert (study["name"], study["objectives"]) == ("tiny-finalists", [])


def test_other_epochs_in_the_same_folder_are_refused_with_what_to_do(finalized):
    with pytest.raises(StudyError, match=r"recipe\.epochs was 1 and is now 2.*remove the folder"):
        finalize_run(finalized, epochs=2, device="cpu")


def test_other_epochs_are_trained_and_named_and_get_their_time():
    config = build_study_config(
        **{**STUDY, "limits": {"candidate_time": "10min"}, "recipe": {"epochs": 4}}
    )
    longer = _with_epochs(config, 40)
    assert longer.recipe.epochs == 40
    assert longer.limits.candidate_time == 6000.0
    assert _with_epochs(config, 1).limits.candidate_time == 600.0
    assert _with_epochs(config, None).recipe == config.recipe


def test_notes_say_what_a_reader_must_know(search):
    run = open_run(search)
    config = build_study_config(**STUDY)
    images = _images_of(run, config, lambda _: None)
    failed = replace(run.records[0], measurement=over_limit({}, "much", 9, "made up", 4))
    other = {**run.identity, "device": {"kind": "cuda", "name": "a board"}}
    odd = replace(run, records=(failed, *run.records[1:]), identity=other)
    without_test = replace(images, counts={"train": 16, "val": 16})
    configs = (config, _with_epochs(config, 5))
    text = " ".join(_notes(odd, [], 1, configs, without_test, find_device("cpu")))
    assert "5 epochs instead of the search's 1" in text
    assert f"left out, without figures in the search: {run.records[0].name}" in text
    assert "one training gives no interval" in text
    assert "no test images" in text
    assert "the search ran on a board (cuda)" in text
    assert "accuracies compare, memory does not" in text


def test_the_searchs_calibration_is_taken_where_it_holds(search):
    run = open_run(search)
    config = build_study_config(**STUDY)
    images = _images_of(run, config, lambda _: None)
    device = find_device("cpu")
    has_one = (search / "calibration.json").is_file()
    assert (_evaluator(run, config, images, device).calibration is not None) == has_one
    other = build_study_config(**{**STUDY, "recipe": {**STUDY["recipe"], "batch_size": 4}})
    assert _evaluator(run, other, images, device).calibration is None


def test_images_that_are_gone_are_said_in_one_line(copy):
    shutil.rmtree(copy / "cache")
    study = yaml.safe_load((copy / "study.yaml").read_text())
    study["data"] = {"source": "folder", "path": str(copy / "nowhere")}
    (copy / "study.yaml").write_text(yaml.safe_dump(study))
    with pytest.raises(DataError, match=r"images are gone.*there is no such folder"):
        finalize_run(copy, device="cpu")


def test_images_that_are_others_are_refused(copy):
    shutil.rmtree(copy / "cache")
    study = yaml.safe_load((copy / "study.yaml").read_text())
    study["data"]["synthetic"]["seed"] = 1
    (copy / "study.yaml").write_text(yaml.safe_dump(study))
    with pytest.raises(DataError, match="others by now"):
        finalize_run(copy, device="cpu")


def test_decoded_images_are_enough(copy):
    study = yaml.safe_load((copy / "study.yaml").read_text())
    study["data"] = {"source": "folder", "path": str(copy / "nowhere")}
    (copy / "study.yaml").write_text(yaml.safe_dump(study))
    run = open_run(copy)
    config, _ = load_study_config(str(copy / "study.yaml"))
    images = _images_of(run, config, lambda _: None)
    assert images.identity == run.identity["data"]["identity"]


def test_a_study_file_that_was_changed_is_refused(copy):
    study = yaml.safe_load((copy / "study.yaml").read_text())
    study["recipe"]["batch_size"] = 4
    (copy / "study.yaml").write_text(yaml.safe_dump(study))
    with pytest.raises(StudyError, match=r"recipe\.batch_size was 8 and is now 4"):
        finalize_run(copy, device="cpu")


def test_a_run_of_no_study_file_is_refused(letters, table, tmp_path):
    run_study(letters, table, trials=2, out=tmp_path / "run")
    with pytest.raises(StudyError, match=r"holds no study\.yaml"):
        finalize_run(tmp_path / "run")


def test_a_run_without_finished_candidates_is_refused(search):
    run = open_run(search)
    failed = over_limit({}, "much", 9, "made up", 4)
    records = tuple(replace(record, measurement=failed) for record in run.records)
    with pytest.raises(StudyError, match="must have a finished candidate to train again"):
        chosen_finalists(replace(run, records=records))
    with pytest.raises(ConfigError, match="seeds must be at least 1, but got 0"):
        finalize_run(search, seeds=0)
    with pytest.raises(ConfigError, match="fronts must be at least 1, but got 0"):
        finalize_run(search, fronts=0)


def test_the_second_front_is_what_only_the_first_dominates(search):
    run = open_run(search)
    first = run.records[0]

    def record(number, accuracy, memory):
        measured = Measurement.of(val_accuracy=accuracy, peak_memory=memory)
        return replace(
            first,
            number=number,
            key=str(number),
            reference=None,
            measurement=measured,
        )

    figures = [(0.9, 40), (0.8, 20), (0.85, 45), (0.79, 21), (0.7, 50), (0.8, 20)]
    records = tuple(record(number, *one) for number, one in enumerate(figures))
    run = replace(run, records=records, objectives=("val_accuracy", "peak_memory"))
    one, two, three = ([r.number for r in chosen_finalists(run, n)] for n in (1, 2, 3))
    assert one == [r.number for r in run.front()] == [1, 5, 0]
    assert two == [*one, 3, 2]
    assert three == [*two, 4]


def test_more_fronts_join_the_finalists_that_are_there(copy):
    finalize_run(copy, seeds=1, device="cpu")
    before = open_run(copy).finalists.records
    records = finalize_run(copy, seeds=1, fronts=3, device="cpu")
    run = open_run(copy)
    finished = {record.key for record in run.records if record.measurement.is_finished}
    assert (len(before), len(records)) == (len(chosen_finalists(run)), len(finished))
    assert [r.key for r in records[: len(before)]] == [r.key for r in before]
    assert {network_key(record) for record in records} == finished
    assert len(records) > len(before)
    events = []
    finalize_run(copy, seeds=1, device="cpu", on_event=events.append)
    notes = [event["text"] for event in events if event["event"] == "note"]
    stay = [note for note in notes if note.startswith("finalists of earlier calls")]
    assert len(stay) == 1


def test_finalists_of_other_epochs_are_no_repeats_in_the_searchs_front(finalized, copy):
    assert finalists_of(open_run(finalized)).are_repeats
    finalize_run(copy, seeds=1, epochs=2, device="cpu")
    assert not finalists_of(open_run(copy)).are_repeats


def test_finalists_that_come_later_join_the_same_study(with_references, tmp_path):
    trained = []

    def evaluate(one):
        trained.append(one.label)
        return Measurement.of(val_accuracy=0.1 * one.place, peak_memory=1e6)

    def run(*asked):
        with_references.name = "letters"
        with_references.to_json = with_references.from_json = dict
        space = FinalistSpace(with_references, asked)
        return run_study(space, evaluate, trials=len(asked), out=tmp_path / "run", sampler="random")

    first = Finalist("trial 7", {"a": 1, "b": 2}, 1, 11)
    second = Finalist("trial 7", {"a": 1, "b": 2}, 2, 12)
    newer = Finalist("trial 9", {"a": 3, "b": 0}, 1, 11)
    run(first, second)
    records = run(first, second, newer)
    assert trained == ["trial 7, seed 1", "trial 7, seed 2", "trial 9, seed 1"]
    assert [record.key for record in records] == ["a1b2#11", "a1b2#12", "a3b0#11"]
    assert network_name(records[2]) == "trial 9"
