"""Studies cut off at any moment go on as if they had not been."""

import optuna
import pytest

from nas_edge import run_study
from nas_edge.config.study import SamplerConfig

SAMPLERS = ("tpe", "nsga2", "nsga3", "gp", "random", "grid")


def trials_of(run):
    path = (run / "study.db").resolve()
    return optuna.load_study(study_name=None, storage=f"sqlite:///{path}").get_trials()


def points(run):
    """The sequence of points that Optuna suggested, copies included."""
    return [tuple(sorted(trial.params.items())) for trial in trials_of(run)]


def test_same_seed_gives_the_same_points_and_another_seed_others(tmp_path, spaces):
    sequences = []
    for index, seed in enumerate((5, 5, 6)):
        run_study(spaces[0](6), spaces[2](), trials=6, out=tmp_path / str(index), seed=seed)
        sequences.append(points(tmp_path / str(index)))

    assert sequences[0] == sequences[1]
    assert sequences[0] != sequences[2]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_interrupted_study_goes_on_with_the_points_of_an_uninterrupted_one(
    tmp_path, spaces, sampler
):
    space = spaces[1](3)
    space.references = {"xception": {"a": 1, "b": 2}}
    config = SamplerConfig(name=sampler, startup_trials=2, population=2)
    run_study(space, spaces[2](), trials=6, out=tmp_path / "whole", sampler=config, name="s")

    cuts = iter([0, 2, 1])
    calls = []
    while True:
        table = spaces[2](fail_at=next(cuts, None))
        try:
            run_study(space, table, trials=6, out=tmp_path / "cut", sampler=config, name="s")
        except KeyboardInterrupt:
            calls += table.calls
            continue
        calls += table.calls
        break

    assert points(tmp_path / "cut") == points(tmp_path / "whole")
    assert len(calls) == len(set(calls)) == 6


class CutSpace:
    """Six choices; a suggestion can be cut off after some of them."""

    def __init__(self, cut_after=None):
        self.cut_after = cut_after
        self.suggested = 0

    def suggest(self, trial):
        point = {}
        for name in "abcdef":
            if isinstance(trial, optuna.Trial) and self.suggested == self.cut_after:
                raise KeyboardInterrupt
            point[name] = trial.suggest_categorical(name, [0, 1, 2, 3])
            self.suggested += isinstance(trial, optuna.Trial)
        return point

    def contains(self, point):
        return True

    def key(self, point):
        return "".join(str(point[name]) for name in "abcdef")


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_study_cut_off_between_two_choices_goes_on_with_the_same_point(tmp_path, spaces, sampler):
    config = SamplerConfig(name=sampler, startup_trials=2, population=2)
    options = {"trials": 5, "sampler": config, "name": "s"}
    run_study(CutSpace(), spaces[2](), out=tmp_path / "whole", **options)

    for cut in (3, 8):
        with pytest.raises(KeyboardInterrupt):
            run_study(CutSpace(cut), spaces[2](), out=tmp_path / "cut", **options)
    run_study(CutSpace(), spaces[2](), out=tmp_path / "cut", **options)

    assert points(tmp_path / "cut") == points(tmp_path / "whole")


def test_cut_off_trial_goes_on_under_its_number_even_if_enough_are_there(tmp_path, spaces):
    space = spaces[0](5)
    with pytest.raises(KeyboardInterrupt):
        run_study(space, spaces[2](fail_at=3), trials=8, out=tmp_path / "run", sampler="random")
    assert [t.state.name for t in trials_of(tmp_path / "run")][-1] == "RUNNING"

    records = run_study(space, spaces[2](), trials=2, out=tmp_path / "run", sampler="random")

    assert [r.number for r in records] == [0, 1, 2, 3]
    assert {t.state.name for t in trials_of(tmp_path / "run")} == {"COMPLETE"}


def test_measured_but_untold_trial_is_told_and_not_evaluated_again(
    tmp_path, spaces, table, monkeypatch
):
    from nas_edge.study import engine

    told = engine.tell

    def cut_before_third(session, trial, measurement):
        if trial.number == 2:
            raise KeyboardInterrupt
        told(session, trial, measurement)

    monkeypatch.setattr(engine, "tell", cut_before_third)
    space = spaces[0](5)
    with pytest.raises(KeyboardInterrupt):
        run_study(space, table, trials=5, out=tmp_path / "run", sampler="random")
    monkeypatch.undo()
    assert (tmp_path / "run/candidates/0002/measurement.json").exists()

    records = run_study(space, table, trials=5, out=tmp_path / "run", sampler="random")

    assert len(table.calls) == len(records) == 5
    storage = optuna.storages.RDBStorage(f"sqlite:///{(tmp_path / 'run/study.db').resolve()}")
    trial = trials_of(tmp_path / "run")[2]
    names = [m.filename for m in optuna.artifacts.get_all_artifact_meta(trial, storage=storage)]
    assert names == ["architecture.yaml"]


def test_measurement_of_another_recipe_is_not_taken_over(tmp_path, spaces):
    """The storage was deleted, the folders of candidates stay, and the recipe is another."""
    first, second, third = spaces[2](), spaces[2](), spaces[2]()
    options = {"trials": 3, "out": tmp_path / "run", "sampler": "random"}
    run_study(spaces[0](), first, identity={"recipe": {"epochs": 1}}, **options)
    for file in (tmp_path / "run").glob("study.db*"):
        file.unlink()

    run_study(spaces[0](), second, identity={"recipe": {"epochs": 2}}, **options)
    assert len(second.calls) == 3

    for file in (tmp_path / "run").glob("study.db*"):
        file.unlink()
    run_study(spaces[0](), third, identity={"recipe": {"epochs": 2}}, **options)
    assert third.calls == []


def test_raising_trials_goes_on(tmp_path, spaces, table):
    space = spaces[0](5)
    run_study(space, table, trials=3, out=tmp_path / "run")

    records = run_study(space, table, trials=6, out=tmp_path / "run")

    assert len(records) == len(table.calls) == 6


def test_study_cut_off_after_a_new_point_was_enqueued_does_not_enqueue_it_again(
    tmp_path, spaces, monkeypatch
):
    from nas_edge.study import engine

    options = {"trials": 4, "sampler": "random", "name": "s"}
    run_study(spaces[0](2), spaces[2](), out=tmp_path / "whole", **options)
    enqueue, cuts = engine.enqueue_unseen, []

    def cut(session):
        cuts.append(enqueue(session))
        if len(cuts) == 1:
            raise KeyboardInterrupt
        return cuts[-1]

    monkeypatch.setattr(engine, "enqueue_unseen", cut)
    with pytest.raises(KeyboardInterrupt):
        run_study(spaces[0](2), spaces[2](), out=tmp_path / "cut", **options)
    run_study(spaces[0](2), spaces[2](), out=tmp_path / "cut", **options)

    assert cuts[:2] == [True, True]
    assert points(tmp_path / "cut") == points(tmp_path / "whole")
