"""The paper's networks as trials of one study: really trained, on a few small images."""

import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from nas_edge import open_run
from nas_edge.config.reproduction import (
    CALTECH_AUGMENTATION,
    SYNTHETIC_DATA,
    reproduction_config,
)
from nas_edge.config.study import AugmentationConfig, SyntheticConfig
from nas_edge.errors import ConfigError, EnvironmentProblem, SpaceError, StudyError
from nas_edge.space.baselines import Baseline, network_of_name, network_of_point
from nas_edge.study.named_networks import NamedNetwork, NamedNetworks
from nas_edge.study.reproduction import named_networks, reproduce_paper, run_reproduction
from nas_edge.training.weights import load_weights

ABOUT = {"task": "synthetic", "setting": "scratch", "recipe": "paper"}


def config_of(setting="scratch", classes=7, **options):
    config = reproduction_config("synthetic", setting, "paper", image_size=32, epochs=1, **options)
    few = SyntheticConfig(classes=classes, train=32, val=16, test=16)
    return config.model_copy(update={"data": config.data.model_copy(update={"synthetic": few})})


def reproduce(out, names, setting="scratch", source=None, config=None, on_event=lambda _: None):
    networks = named_networks(names, setting, source)
    about = {**ABOUT, "setting": setting}
    config = config or config_of(setting)
    return run_reproduction(config, networks, about, out=out, device="cpu", on_event=on_event)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """A run with two networks, the second asked for later; not to be changed."""
    out = tmp_path_factory.mktemp("reproduced") / "scratch"
    reproduce(out, ["squeezenet"])
    reproduce(out, ["mobilenetv2", "squeezenet"])
    return out


def test_networks_asked_for_one_after_the_other_stand_in_one_study(scratch):
    run = open_run(scratch)
    assert [record.name for record in run.records] == ["squeezenet", "mobilenetv2"]
    assert all(record.measurement.is_finished for record in run.records)
    assert {record.measurement.seed for record in run.records} == {0}
    assert run.identity["reproduce"] == ABOUT
    assert run.identity["recipe"]["loss"] == "double_softmax"
    assert {"val_accuracy", "train_accuracy", "test_accuracy", "peak_memory", "mean_memory"} <= set(
        run.records[0].measurement.metrics
    )
    written = yaml.safe_load((scratch / "reproduce.yaml").read_text())
    assert {key: written[key] for key in ABOUT} == ABOUT


def test_weights_are_kept_with_their_network(scratch):
    saved = load_weights(scratch / "candidates" / "0000" / "weights.pt")
    assert saved.network == Baseline("squeezenet")
    assert torch.isfinite(saved.state["classifier.1.weight"]).all()


def test_a_finished_reproduction_trains_nothing_more(scratch):
    events = []
    reproduce(scratch, ["squeezenet"], on_event=events.append)
    assert [event["event"] for event in events if event["event"] == "candidate"] == []


def test_another_recipe_in_the_same_folder_is_refused_with_what_differs(scratch):
    with pytest.raises(StudyError, match=r"recipe\.epochs was 1 and is now 2"):
        reproduce(
            scratch,
            ["squeezenet"],
            config=config_of().model_copy(
                update={"recipe": config_of().recipe.model_copy(update={"epochs": 2})}
            ),
        )


@pytest.mark.parametrize("setting", ["frozen", "finetune"])
def test_a_transfer_begins_with_the_trained_body_and_a_new_head(scratch, tmp_path, setting):
    # Seven classes become two: the head is another one.
    records = reproduce(
        tmp_path / "out", ["squeezenet"], setting, str(scratch), config_of(setting, classes=2)
    )
    (record,) = records
    assert record.measurement.is_finished, record.measurement.reason
    assert record.point["start"]["from"] == f"{scratch}:0"
    source = load_weights(scratch / "candidates" / "0000" / "weights.pt").state
    trained = load_weights(tmp_path / "out" / "candidates" / "0000" / "weights.pt").state
    assert trained["classifier.1.weight"].shape[0] == 1
    bodies = [name for name in source if not name.startswith("classifier.1.")]
    unchanged = [name for name in bodies if torch.equal(source[name], trained[name])]
    assert (len(unchanged) == len(bodies)) == (setting == "frozen")


def test_frozen_training_holds_less_memory_than_training_all(scratch, tmp_path):
    (frozen,) = reproduce(tmp_path / "out", ["mobilenetv2"], "frozen", f"{scratch}:1")
    whole = open_run(scratch).record(1)
    assert frozen.value("peak_memory") < 0.7 * whole.value("peak_memory")


@pytest.mark.slow
def test_a_candidate_of_a_search_is_transferred_under_its_runs_name(tmp_path):
    from nas_edge import load_study_config, run_training_study

    changes = {
        "trials": 1,
        "artifacts": {"weights": True},
        "data": {"source": "synthetic-pcb", "synthetic": {"train": 16, "val": 8, "test": 8}},
        "recipe": {"epochs": 1, "batch_size": 8, "image_size": 32},
    }
    config, _ = load_study_config("demo", changes)
    run_training_study(config, out=tmp_path / "search", device="cpu")
    source = f"{tmp_path / 'search'}:0"
    (record,) = reproduce(tmp_path / "out", [], "finetune", source)
    assert record.name == "search:0"
    found, _ = network_of_point(record.point)
    assert found == network_of_name("xception x0.25")
    assert record.measurement.is_finished, record.measurement.reason


def test_the_authors_settings_by_task():
    caltech = reproduction_config("caltech101", "scratch", "paper", data="x")
    assert (caltech.recipe.epochs, caltech.recipe.image_size) == (60, 224)
    assert caltech.recipe.augmentation == AugmentationConfig(**CALTECH_AUGMENTATION)
    assert caltech.data.source == "caltech101"
    pcb = reproduction_config("pcb", "frozen", "fixed", data="x")
    assert (pcb.recipe.epochs, pcb.recipe.trainable) == (60, "head")
    assert (pcb.recipe.loss, pcb.recipe.augmentation) == ("cross_entropy", AugmentationConfig())
    other = reproduction_config("pcb", "scratch", "paper", data="x", bn_momentum=0.1)
    assert (pcb.recipe.bn_momentum, other.recipe.bn_momentum) == (0.01, 0.1)
    tuned = reproduction_config("pcb", "finetune", "paper", data="x")
    assert (tuned.recipe.epochs, tuned.recipe.trainable) == (20, "all")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pcb", "scratch", "paper"), "--data is missing: pcb needs the folder"),
        (("synthetic", "scratch", "paper", "DIR"), "--data must not be given"),
    ],
)
def test_a_folder_belongs_to_the_tasks_that_need_one(arguments, message):
    task, setting, recipe, *data = arguments
    with pytest.raises(ConfigError, match=message):
        reproduction_config(task, setting, recipe, data=data[0] if data else None)


def test_one_call_trains_a_network_by_the_papers_recipe(tmp_path, monkeypatch):
    for split in ("train", "val", "test"):
        monkeypatch.setitem(SYNTHETIC_DATA, split, 16)

    (record,) = reproduce_paper(
        ["squeezenet"], out=tmp_path / "run", epochs=1, image_size=32, device="cpu"
    )

    run = open_run(tmp_path / "run")
    assert (record.name, run.identity["reproduce"]) == ("squeezenet", ABOUT)
    assert run.identity["recipe"]["epochs"] == 1
    assert record.measurement.is_finished


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "cifar10"}, "task must be one of pcb, caltech101, synthetic, but got 'cifar10'"),
        ({"setting": "half"}, "setting must be one of scratch, frozen, finetune, but got 'half'"),
        ({"recipe": "mine"}, "recipe must be one of paper, fixed, but got 'mine'"),
    ],
)
def test_one_call_names_what_there_is(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        reproduce_paper(out=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_where_a_transfer_begins_is_checked_before_anything_trains(scratch, tmp_path):
    with pytest.raises(StudyError, match="--from must not be given"):
        named_networks(["squeezenet"], "scratch", str(scratch))
    with pytest.raises(StudyError, match="--from is missing: frozen begins with a trained"):
        named_networks(["squeezenet"], "frozen")
    with pytest.raises(StudyError, match="name one of its trials as RUN:TRIAL"):
        named_networks([], "frozen", str(scratch))
    with pytest.raises(StudyError, match="must be one network, but is squeezenet; give RUN alone"):
        named_networks(["xception", "squeezenet"], "frozen", f"{scratch}:0")
    with pytest.raises(StudyError, match="has no finished trial of xception"):
        named_networks(["xception"], "frozen", str(scratch))
    with pytest.raises(StudyError, match="must be xception, but is squeezenet"):
        named_networks(["xception"], "frozen", f"{scratch}:0")
    with pytest.raises(StudyError, match="has no measured trial 9"):
        named_networks([], "frozen", f"{scratch}:9")
    with pytest.raises(StudyError, match="there is no such folder"):
        named_networks(["squeezenet"], "frozen", str(tmp_path / "none"))


def test_other_weights_under_the_same_name_need_a_folder_of_their_own(scratch, tmp_path):
    reproduce(tmp_path / "other", ["squeezenet"], config=config_of(seed=1))
    reproduce(tmp_path / "out", ["squeezenet"], "frozen", str(scratch))
    with pytest.raises(StudyError, match=r"holds squeezenet as another point, e\.g\. with other"):
        reproduce(tmp_path / "out", ["squeezenet"], "frozen", str(tmp_path / "other"))


def test_weights_that_changed_since_they_were_asked_for_are_refused(scratch, tmp_path):
    networks = named_networks(["squeezenet"], "frozen", str(scratch))
    place = tmp_path / "weights.pt"
    place.write_bytes(networks["squeezenet"].start.path.read_bytes() + b" ")
    changed = replace(networks["squeezenet"].start, path=place)
    networks = {"squeezenet": replace(networks["squeezenet"], start=changed)}
    with pytest.raises(StudyError, match="the weights to begin with are others by now; put them"):
        run_reproduction(config_of("frozen"), networks, ABOUT, out=tmp_path / "out", device="cpu")


@pytest.mark.parametrize("damage", ["torn", "another network's"])
def test_weights_that_nothing_could_begin_with_make_no_trial(scratch, tmp_path, damage):
    run = tmp_path / "run"
    shutil.copytree(scratch, run)
    weights = run / "candidates" / "0000" / "weights.pt"
    if damage == "torn":
        weights.write_bytes(weights.read_bytes()[:-1000])
    else:
        shutil.copy(run / "candidates" / "0001" / "weights.pt", weights)
    message = {"torn": "but is damaged", "another network's": "weights of the same network"}
    with pytest.raises(StudyError, match=rf"0000/weights\.pt: .*{message[damage]}"):
        named_networks(["squeezenet"], "frozen", str(run))


def test_images_too_small_for_a_network_are_refused_before_any_trains(tmp_path):
    events = []
    config = config_of()
    recipe = config.recipe.model_copy(update={"image_size": 16})
    config = config.model_copy(update={"recipe": recipe})
    with pytest.raises(SpaceError, match="image_size must be larger for squeezenet, but got 16"):
        reproduce(
            tmp_path / "out", ["mobilenetv2", "squeezenet"], config=config, on_event=events.append
        )
    assert events == []
    assert not (tmp_path / "out").exists()


def test_a_library_that_is_missing_is_told_before_any_trains(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(EnvironmentProblem, match=r"needs timm .*pip install 'nas-edge\[baselines"):
        reproduce(tmp_path / "out", ["squeezenet", "efficientnetv2-b1"])
    assert not (tmp_path / "out").exists()


def test_points_of_other_spaces_are_no_networks_to_transfer(tmp_path):
    from nas_edge import Measurement, run_study

    class Letters:
        def suggest(self, trial):
            return [trial.suggest_int("a", 0, 1)]

        def contains(self, point):
            return True

        def key(self, point):
            return str(point)

    def known(point):
        return Measurement.of(val_accuracy=0.5, peak_memory=1.0)

    run_study(Letters(), known, trials=1, out=tmp_path / "run", sampler="random")
    for source in (f"{tmp_path / 'run'}:0", str(tmp_path / "run")):
        names = [] if source.endswith(":0") else ["squeezenet"]
        with pytest.raises(StudyError, match=r"run:0: must be a network, but is another space's"):
            named_networks(names, "frozen", source)


def test_reading_the_weights_to_begin_with_is_no_part_of_the_memory(scratch, tmp_path):
    (frozen,) = reproduce(tmp_path / "out", ["mobilenetv2"], "frozen", f"{scratch}:1")
    weights = (scratch / "candidates" / "0001" / "weights.pt").stat().st_size
    assert weights > 8 * 2**20
    plain = recipe_probe(tmp_path)
    assert frozen.value("peak_memory") == pytest.approx(plain, rel=0.05)


def recipe_probe(folder):
    """Probe the same frozen network with new weights."""
    from nas_edge.candidate.evaluator import PROBE_TASK
    from nas_edge.candidate.process import ChildLimits, run_in_child
    from nas_edge.device.machine import num_usable_cores

    job = {
        "architecture": {"baseline": "mobilenetv2"},
        "recipe": config_of("frozen").recipe.model_dump(),
        "num_outputs": 7,
        "seed": 0,
        "device": "cpu",
        "num_threads": num_usable_cores(),
        "saver": "none",
    }
    end = run_in_child(PROBE_TASK, job, folder / "log.txt", ChildLimits(), lambda _: None)
    return end.result["peak_bytes"]


def test_points_are_plain_data_and_back(tmp_path):
    space = NamedNetworks({})
    for name in ("xception-lite", "squeezenet"):
        point = NamedNetwork(name, network_of_name(name))
        assert space.from_json(space.to_json(point)) == point
        assert space.contains(point)
    assert (
        np.unique(
            [space.key(NamedNetwork(n, network_of_name(n))) for n in ("xception", "squeezenet")]
        ).size
        == 2
    )
