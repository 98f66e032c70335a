"""Candidates that are stopped early: the rule, and trainings that it really ends."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
import yaml

from nas_edge import Measurement, build_study_config, open_run, run_training_study
from nas_edge.candidate.measurement import STOPPED, Metric
from nas_edge.config.study import PrunerConfig, RecipeConfig
from nas_edge.study.pruning import Pruner, pruner_of, summarise_pruning, why_no_pruner
from nas_edge.study.records import EXPECTED_ACCURACY, TrialRecord

EPOCHS = 10
OBJECTIVES = ("val_accuracy", "peak_memory")
RECIPE = RecipeConfig(epochs=EPOCHS)


def rows_of(final, epochs=EPOCHS):
    share = 1 - np.exp(-np.arange(1, epochs + 1) / 3)
    share /= share[-1]
    return tuple(
        {"epoch": epoch, "val_accuracy": float(final * part), "val_loss": float(2 - final * part)}
        for epoch, part in enumerate(share, 1)
    )


def record(number, final, memory=10.0, reference=None, **more):
    measured = Measurement.of(val_accuracy=final, peak_memory=memory, params=memory)
    whole = Measurement(metrics=measured.metrics, history=rows_of(final), **more)
    return TrialRecord(number, str(number), number, reference, whole)


RECORDS = [record(i, 0.5 + 0.04 * i, memory=5.0 + i) for i in range(10)]


def judge(
    records=RECORDS,
    final=0.5,
    memory=20.0,
    epochs=range(1, EPOCHS + 1),
    rows=rows_of,
    weights="last",
    **options,
):
    """Return the first verdict on a curve that ends at ``final``."""
    config = PrunerConfig(**{"audit": 0.0, **options})
    judged = Pruner(config, OBJECTIVES, RecipeConfig(epochs=EPOCHS, weights=weights), 0).judge_of(
        99, records
    )
    known = {"peak_memory": Metric(memory, "bytes", "probe")}
    found = (judged(rows(final)[:epoch], known) for epoch in epochs)
    return next((one for one in found if one is not None), None)


def test_a_curve_that_stays_below_a_cheaper_finished_one_is_ended():
    verdict = judge()
    assert (verdict.epoch, verdict.beaten_by, verdict.is_audit) == (3, 9, False)
    assert verdict.beaten_accuracy == pytest.approx(0.86)
    assert verdict.expected == pytest.approx(0.5, abs=0.03)
    assert verdict.expected <= verdict.upper < 0.86
    assert verdict.reason.startswith("after epoch 3 of 10 it leads to ")
    assert verdict.reason.endswith("below trial 9 with 86.0% at no higher cost")


@pytest.mark.parametrize(
    ("about", "changes"),
    [
        ("it may reach the front", {"final": 0.87}),
        ("nothing finished needs as little", {"memory": 4.9}),
        ("what is better needs more", {"memory": 5.5, "final": 0.6}),
        ("too few have finished", {"records": RECORDS[:7]}),
        ("it is too early", {"epochs": [1, 2]}),
        ("the last epoch is done", {"epochs": [10]}),
    ],
)
def test_nothing_is_ended_where(about, changes):
    assert judge(**changes) is None, about


def test_stopped_and_failed_candidates_are_nothing_to_lose_against():
    others = [
        replace(one, measurement=replace(one.measurement, outcome=outcome))
        for one, outcome in zip(RECORDS, [STOPPED, "diverged"] * 5)
    ]
    assert judge(records=others) is None


def test_every_cost_counts():
    known = {"peak_memory": Metric(20.0, "bytes", ""), "params": Metric(8.5, "count", "")}
    pruner = Pruner(PrunerConfig(audit=0.0), (*OBJECTIVES, "params"), RECIPE, 0)
    verdict = pruner.judge_of(99, RECORDS)(rows_of(0.4)[:5], known)
    assert verdict.beaten_by == 3  # with 8 parameters; trial 4 has 9


def test_a_gap_in_a_curve_is_no_curve():
    pruner = Pruner(PrunerConfig(audit=0.0), OBJECTIVES, RECIPE, 0)
    judged = pruner.judge_of(99, RECORDS)
    assert judged(rows_of(0.4)[1:5], {"peak_memory": Metric(20.0, "bytes", "")}) is None


def test_a_share_of_the_verdicts_is_audited_and_the_seed_decides_which():
    def audited(seed):
        pruner = Pruner(PrunerConfig(audit=0.3), OBJECTIVES, RECIPE, seed)
        known = {"peak_memory": Metric(20.0, "bytes", "")}
        return [
            pruner.judge_of(number, RECORDS)(rows_of(0.4)[:5], known).is_audit
            for number in range(200)
        ]

    assert audited(0) == audited(0) != audited(1)
    assert 40 < sum(audited(0)) < 80


def fading(final):
    """A curve that was at its best in the third epoch."""
    rows = [dict(row, val_accuracy=0.4) for row in rows_of(final)]
    rows[2]["val_accuracy"] = 0.9
    return rows


def test_a_best_epoch_that_is_there_counts_where_the_best_weights_do():
    assert judge(rows=fading, epochs=range(4, EPOCHS), weights="last") is not None
    assert judge(rows=fading, epochs=range(4, EPOCHS), weights="best") is None


def test_a_screen_keeps_the_best_share():
    # Thirteen with the new one: four train on. It is the cheapest, or the best, or neither.
    records = [*RECORDS, record(10, 0.95, memory=3.0), record(11, 0.94, memory=3.5)]
    options = {"records": records, "name": "screen", "start": 0.3, "promote": 0.3}
    assert judge(**options, final=0.96, memory=30.0) is None
    assert judge(**options, final=0.4, memory=1.0) is None
    verdict = judge(**options, final=0.4, memory=30.0)
    # Nobody has said where it would have ended: a sampler must not learn its third epoch for that.
    assert (verdict.epoch, verdict.beaten_by, verdict.expected) == (3, None, None)
    assert verdict.reason == (
        "after epoch 3 of 10 it is number 13 of 13, of which the best 4 train on"
    )


def test_what_is_not_known_before_training_stops_the_stopping():
    assert why_no_pruner(OBJECTIVES) == ""
    assert why_no_pruner(("val_accuracy", "latency")) == (
        "latency is not known before a training ends"
    )
    assert why_no_pruner(("params", "macs")) == "val_accuracy is no objective"
    thinned = (200, "mysql+pymysql://user@host/studies")
    assert why_no_pruner(OBJECTIVES, *thinned) == "the database keeps only some of 200 epochs"
    assert why_no_pruner(OBJECTIVES, 150, thinned[1]) == ""
    assert why_no_pruner(OBJECTIVES, 200, "postgresql://host/studies") == ""
    assert pruner_of(PrunerConfig(), ("val_accuracy", "latency"), RecipeConfig(), 0) is None
    assert pruner_of(PrunerConfig(name="none"), OBJECTIVES, RecipeConfig(), 0) is None


def test_the_summary_counts_what_was_saved_and_what_was_wrong():
    stopped = record(20, 0.5, outcome=STOPPED, reason="x")
    cut = replace(stopped.measurement, history=stopped.measurement.history[:4])
    audits = [
        record(n, accuracy, details={"pruned": {"beaten_accuracy": 0.8}})
        for n, accuracy in ((21, 0.7), (22, 0.81))
    ]
    found = summarise_pruning([RECORDS[0], replace(stopped, measurement=cut), *audits])
    assert (found.stopped, found.audited, found.wrong) == (1, 2, 1)
    assert found.saved_share == pytest.approx(6 / 40)
    assert found.sentence == (
        "1 stopped early, 15% of the epochs saved; 2 trained on to check the verdict, 1 of them "
        "wrong"
    )
    assert summarise_pruning(RECORDS).sentence == ""


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("name", ["tpe", "nsga2", "gp", "random"])
def test_optunas_samplers_take_stopped_trials(name):
    samplers = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=0, multivariate=True, n_startup_trials=2),
        "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=0, population_size=4),
        "gp": lambda: optuna.samplers.GPSampler(seed=0, n_startup_trials=2),
        "random": lambda: optuna.samplers.RandomSampler(seed=0),
    }
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=samplers[name]())
    for number in range(12):
        trial = study.ask()
        width = trial.suggest_categorical("width", [4, 8, 16])
        if number % 3 == 2:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, (0.1 * number, width))
    assert len(study.trials) == 12


# Trainings that are really ended.

SMALL = {
    "name": "stopping",
    "data": {
        "source": "synthetic-pcb",
        "synthetic": {"train": 24, "val": 24, "test": 4, "difficulty": 0.2},
    },
    "recipe": {"epochs": 3, "batch_size": 12, "image_size": 24},
    "sampler": "random",
}


@pytest.fixture(scope="module")
def stopped_run(tmp_path_factory, small_space):
    """A screen that lets hardly anything pass ends most candidates after their first epoch."""
    place = tmp_path_factory.mktemp("stopped")
    folder = place / "run"
    (place / "space.yaml").write_text(yaml.safe_dump(small_space))
    screen = {"name": "screen", "start": 0.2, "promote": 0.1}
    config = build_study_config(**SMALL, space=str(place / "space.yaml"), trials=6, pruner=screen)
    events = []
    run_training_study(config, out=folder, on_event=events.append)
    return folder, config, events


def test_stopped_trainings_are_neither_results_nor_failures(stopped_run):
    folder, _, events = stopped_run
    run = open_run(folder)
    outcomes = [record.measurement.outcome for record in run.records]
    assert outcomes[0] == "finished"  # a handcrafted one is never stopped
    assert outcomes.count(STOPPED) >= 2
    for one in run.records:
        if one.measurement.is_stopped:
            measured = one.measurement
            assert [row["epoch"] for row in measured.history] == [1]
            assert "val_accuracy" not in measured.metrics
            assert {"peak_memory", "params", "macs"} <= set(measured.metrics)
            assert "of which the best" in measured.reason
            assert not (folder / "candidates" / f"{one.number:04d}" / "checkpoint.pt").exists()
    assert all(one.measurement.is_finished for one in run.front())
    last_epochs = {e["number"]: e["epoch"] for e in events if e["event"] == "epoch"}
    assert sorted(set(last_epochs.values())) == [1, 3]


def test_optuna_hears_of_them_as_pruned(stopped_run):
    folder, _, _ = stopped_run
    study = optuna.load_study(study_name="stopping", storage=f"sqlite:///{folder}/study.db")
    records = {record.number: record for record in open_run(folder).records}
    for trial in study.trials:
        is_stopped = records[trial.number].measurement.is_stopped
        assert (trial.state.name == "PRUNED") == is_stopped
        assert EXPECTED_ACCURACY not in trial.user_attrs  # a screen expects nothing


def test_a_run_with_stopped_candidates_goes_on_without_training_them_again(stopped_run):
    folder, config, _ = stopped_run
    before = {record.number: record for record in open_run(folder).records}
    events = []
    longer = config.model_copy(update={"trials": 7})
    records = run_training_study(longer, out=folder, on_event=events.append)
    assert len(records) == 7
    assert [record for record in records if record.number in before] == list(before.values())
    assert {e["number"] for e in events if e["event"] == "candidate"}.isdisjoint(before)


def test_every_view_says_what_was_stopped(stopped_run):
    folder, _, _ = stopped_run
    from nas_edge import write_report

    sentence = summarise_pruning(open_run(folder).records).sentence
    assert "% of the epochs saved" in sentence
    assert sentence in write_report(open_run(folder)).read_text(encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "nas_edge", "front", str(folder)],
        capture_output=True,
        text=True,
        cwd=str(Path(__file__).resolve().parents[2]),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sentence in done.stdout


@pytest.mark.slow
def test_nothing_is_stopped_where_nobody_asked(tmp_path):
    config = build_study_config(space="xception_cnd_small", **SMALL, trials=4, pruner="none")
    records = run_training_study(config, out=tmp_path / "run")
    assert [len(record.measurement.history) for record in records] == [3] * 4


@pytest.mark.slow
def test_an_objective_that_is_not_known_before_is_said_to_stop_nothing(tmp_path):
    config = build_study_config(
        space="xception_cnd_small", **SMALL, trials=1, objectives=["val_accuracy", "latency"]
    )
    events = []
    run_training_study(config, out=tmp_path / "run", on_event=events.append)
    notes = [event["text"] for event in events if event["event"] == "note"]
    assert "no candidate is stopped early: latency is not known before a training ends" in notes


@pytest.mark.parametrize(
    ("pruner", "rule"),
    [
        ("hyperband", "pruner.name must be 'front', 'screen' or 'none'"),
        ({"start": 1.0}, "pruner.start must be"),
        ({"confidence": 0.5}, "pruner.confidence must be"),
        ({"min_curves": 3}, "pruner.min_curves must be"),
        ({"audits": 0.1}, "pruner.audits is not a known key"),
    ],
)
def test_a_wrong_pruner_is_named(pruner, rule):
    from nas_edge.errors import ConfigError

    with pytest.raises(ConfigError) as caught:
        build_study_config(space="xception_cnd_small", **SMALL, pruner=pruner)
    assert rule in str(caught.value)


# By table: the least of epochs saved, volume and front.
REPLAYED = [
    ("synthetic", 0.4, 0.99, 0.85),
    ("pcb", 0.2, 0.99, 0.9),
    ("pcb_128", 0.15, 0.97, 0.8),  # luck makes the front there
]


@pytest.mark.parametrize(("name", "least_saved", "least_volume", "least_front"), REPLAYED)
def test_the_rule_saves_epochs_and_keeps_the_front_of_real_curves(
    name, least_saved, least_volume, least_front
):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
    try:
        from pruner_replay import Table, replay
    finally:
        sys.path.pop(0)
    table = Table.load(name)
    rows = [replay(table, PrunerConfig(audit=0.0), seed) for seed in range(4)]
    saved, volume, front, wrong, _ = np.mean(rows, axis=0)
    assert saved > least_saved
    assert volume > least_volume
    assert front > least_front
    assert wrong < 0.1
