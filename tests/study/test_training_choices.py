"""Studies that search training beside the network, with known results in training's place."""

import itertools
from importlib.util import find_spec

import optuna
import pytest

from nas_edge import Measurement, open_run, run_study
from nas_edge.config.search import SearchConfig
from nas_edge.config.study import RecipeConfig, SamplerConfig, StudyConfig
from nas_edge.errors import StudyError
from nas_edge.space.references import reference_architecture
from nas_edge.space.search_space import SearchSpace
from nas_edge.space.training_choices import searched_space

LITE = reference_architecture("xception-lite", 0.25)
CHOICES = {name: [value] for name, value in LITE.parameters().items()}
CHOICES["stem.width1"] = [8, 4]
SEARCH = {
    "precision": ["fp32", "bf16"],
    "optimizer": ["adamw", {"name": "sgd", "learning_rate": 0.05}],
    "micro_batch": [None, 4],
}
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("nsga3", "gp", "random", "grid")]
SAMPLERS = ("tpe", "nsga2", *SLOW)


def space_of(**changes):
    lists = {key: tuple(values) for key, values in {**SEARCH, **changes}.items()}
    section = SearchConfig.model_validate(lists)
    study = StudyConfig(name="s", space="tiny", recipe=RecipeConfig(batch_size=16), search=section)
    return searched_space(SearchSpace("tiny", CHOICES, {"xception-lite x0.25": LITE}), study)


def combination(point):
    settings = point.settings
    return (
        point.architecture.stem.widths[0],
        settings["precision"],
        settings["optimizer"],
        settings["micro_batch"],
    )


EVERY = set(itertools.product([8, 4], ["fp32", "bf16"], ["adamw", "sgd"], [None, 4]))


class Known:
    """Results by rule: bf16 and small parts cost accuracy and save memory."""

    def __init__(self, fail_at=None):
        self.calls = []
        self.fail_at = fail_at

    def __call__(self, point):
        if len(self.calls) == self.fail_at:
            raise KeyboardInterrupt
        width, precision, optimizer, micro_batch = combination(point)
        self.calls.append((width, precision, optimizer, micro_batch))
        saved = (precision == "bf16") + 2 * (micro_batch == 4)
        return Measurement.of(
            val_accuracy=0.5 + 0.01 * width - 0.02 * saved + 0.005 * (optimizer == "sgd"),
            peak_memory=1e6 * (10 + width - saved),
        )


def trials_of(run):
    path = (run / "study.db").resolve()
    return optuna.load_study(study_name=None, storage=f"sqlite:///{path}").get_trials()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_finds_every_network_with_every_training_once(tmp_path, sampler):
    if sampler == "gp" and find_spec("scipy") is None:
        pytest.skip("gp needs SciPy")
    known, notes = Known(), []
    config = SamplerConfig(name=sampler, startup_trials=7, population=4)
    run_study(
        space_of(),
        known,
        trials=50,
        out=tmp_path / "run",
        sampler=config,
        on_event=lambda e: notes.append(e["text"]) if e["event"] == "note" else None,
    )

    assert len(known.calls) == len(EVERY) == 16
    assert set(known.calls) == EVERY
    assert notes == ["every point of the space has been tried"]


def test_the_reference_comes_first_by_the_recipes_own_training(tmp_path):
    known = Known()
    records = run_study(space_of(), known, trials=4, out=tmp_path / "run")

    assert known.calls[0] == (8, "fp32", "adamw", None)
    assert records[0].reference == "xception-lite x0.25"
    assert records[0].point == {
        **LITE.to_dict(),
        "train": {
            "precision": "fp32",
            "optimizer": "adamw",
            "learning_rate": 0.002,
            "micro_batch": None,
        },
    }
    assert trials_of(tmp_path / "run")[0].params == {
        "stem.width1": 8,
        "train.precision": "fp32",
        "train.optimizer": "adamw, learning rate 0.002",
        "train.micro_batch": None,
    }


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_an_interrupted_study_goes_on_as_if_it_had_not_been(tmp_path, sampler):
    config = SamplerConfig(name=sampler, startup_trials=2, population=2)
    run_study(space_of(), Known(), trials=8, out=tmp_path / "whole", sampler=config, name="s")

    calls, cuts = [], iter([0, 3, 2])
    while True:
        known = Known(fail_at=next(cuts, None))
        try:
            run_study(space_of(), known, trials=8, out=tmp_path / "cut", sampler=config, name="s")
        except KeyboardInterrupt:
            calls += known.calls
            continue
        calls += known.calls
        break

    sequences = [[t.params for t in trials_of(tmp_path / name)] for name in ("whole", "cut")]
    assert sequences[0] == sequences[1]
    assert len(calls) == len(set(calls)) == 8


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"precision": ["fp32"]}, "space.train.precision was ['fp32', 'bf16'] and is now ['fp32']"),
        ({"micro_batch": [None, 8]}, "space.train.micro_batch was [None, 4] and is now [None, 8]"),
        ({"learning_rate": [0.002], "optimizer": ["adamw"]}, "space.train.learning_rate is new"),
    ],
)
def test_another_search_is_another_study(tmp_path, changes, difference):
    run_study(space_of(), Known(), trials=2, out=tmp_path / "run")

    with pytest.raises(StudyError) as caught:
        run_study(space_of(**changes), Known(), trials=3, out=tmp_path / "run")
    assert difference in str(caught.value)


def test_the_frame_has_a_column_for_each_choice(tmp_path):
    run_study(space_of(), Known(), trials=16, out=tmp_path / "run", sampler="grid")
    frame = open_run(tmp_path / "run").frame()

    assert len(frame) == 16
    assert set(frame["train.precision"]) == {"fp32", "bf16"}
    assert dict(zip(frame["train.optimizer"], frame["train.learning_rate"])) == {
        "adamw": 0.002,
        "sgd": 0.05,
    }
    assert frame["train.micro_batch"].isna().sum() == 8
    assert set(frame["train.micro_batch"].dropna()) == {4}
