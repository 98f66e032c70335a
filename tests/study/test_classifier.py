"""A network taken home: what it says of images, in whatever form they come, and its one file."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from nas_edge import Classifier, Measurement, load_classifier, open_run, run_study
from nas_edge.errors import DataError, EnvironmentProblem, StudyError
from nas_edge.models.network import build_network
from nas_edge.space.baselines import network_of_name
from nas_edge.training.weights import save_weights

SIZE = 32
NETWORK = network_of_name("xception-lite x0.125")


def classifier_of(num_classes):
    torch.manual_seed(num_classes)
    model = build_network(NETWORK, 1 if num_classes == 2 else num_classes).eval()
    return Classifier(NETWORK, model, tuple("abcdefg"[:num_classes]), SIZE)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, size=(5, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.mark.parametrize("num_classes", [2, 3, 7])
def test_probabilities_are_those_of_the_logits(pictures, num_classes):
    classifier = classifier_of(num_classes)
    inputs = torch.from_numpy(pictures.transpose(0, 3, 1, 2) / 127.5 - 1.0).float()
    with torch.no_grad():
        logits = classifier.model(inputs).double().numpy()
    if num_classes == 2:
        second = 1.0 / (1.0 + np.exp(-logits))
        expected = np.hstack([1.0 - second, second])
    else:
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    found = classifier.probabilities(pictures)

    assert found.shape == (5, num_classes)
    assert found == pytest.approx(expected, abs=1e-6)
    assert list(classifier.predict(pictures)["predicted"]) == [
        classifier.class_names[i] for i in expected.argmax(axis=1)
    ]


def test_an_image_is_the_same_as_file_as_picture_and_as_array(pictures, tmp_path):
    classifier = classifier_of(3)
    files = []
    for i, picture in enumerate(pictures):
        files.append(tmp_path / f"{i}.png")
        Image.fromarray(picture).save(files[-1])
    expected = classifier.probabilities(pictures)

    def is_like(images, rows):
        return np.allclose(classifier.probabilities(images), rows, atol=1e-6)

    assert is_like(files, expected)
    assert is_like(str(files[0]), expected[:1])
    assert is_like([Image.open(file) for file in files], expected)
    assert is_like(pictures[1], expected[1:2])
    assert is_like(Image.fromarray(pictures[1]), expected[1:2])
    assert list(classifier.predict(files)["file"]) == [str(file) for file in files]
    assert "file" not in classifier.predict(pictures)


def test_an_image_of_another_size_is_stretched_as_a_study_does(tmp_path):
    classifier = classifier_of(3)
    wide = np.random.default_rng(1).integers(0, 256, size=(40, 90, 3), dtype=np.uint8)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    square = Image.fromarray(wide).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    expected = classifier.probabilities(square)

    assert np.array_equal(classifier.probabilities(tmp_path / "wide.png"), expected)
    assert np.array_equal(classifier.probabilities(wide), expected)


@pytest.mark.parametrize("kind", ["turned", "16 bits", "grey"])
def test_an_opened_image_is_read_as_its_file_is(tmp_path, kind):
    classifier = classifier_of(3)
    rng = np.random.default_rng(2)
    path = tmp_path / "image.png"
    if kind == "turned":
        path = tmp_path / "image.jpg"
        exif = Image.Exif()
        exif[0x0112] = 3  # upside down
        pixels = np.linspace(0, 255, SIZE * SIZE * 3).reshape(SIZE, SIZE, 3).astype(np.uint8)
        Image.fromarray(pixels).save(path, exif=exif)
    elif kind == "16 bits":
        Image.fromarray(rng.integers(0, 65536, (40, 40)).astype(np.uint16)).save(path)
    else:
        Image.fromarray(rng.integers(0, 256, (40, 40), dtype=np.uint8)).save(path)

    with Image.open(path) as opened:
        assert np.array_equal(classifier.probabilities(opened), classifier.probabilities(path))


def test_a_network_that_is_trained_further_still_evaluates(pictures):
    classifier = classifier_of(3)
    expected = classifier.probabilities(pictures)
    before = {name: value.clone() for name, value in classifier.model.state_dict().items()}

    classifier.model.train()

    assert np.allclose(classifier.probabilities(pictures[:1]), expected[:1], atol=1e-6)
    assert classifier.model.training
    after = classifier.model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_no_image_is_no_row(pictures):
    classifier = classifier_of(3)
    assert classifier.probabilities([]).shape == (0, 3)
    assert classifier.predict([]).shape == (0, 3)


def test_a_classifier_says_what_it_is(pictures):
    classifier = classifier_of(3)
    num_params = sum(weights.numel() for weights in classifier.model.parameters())
    assert repr(classifier) == f"<Classifier of a, b, c: {num_params:,} parameters, 32 px>"


def test_a_folder_and_a_missing_file_are_said_as_what_they_are(tmp_path):
    classifier = classifier_of(3)
    with pytest.raises(DataError, match="must be an image, but is a folder; give its files"):
        classifier.predict(tmp_path)
    with pytest.raises(DataError, match=r"nothing\.png: no such file"):
        classifier.predict(tmp_path / "nothing.png")


def test_what_is_no_image_is_named(tmp_path):
    classifier = classifier_of(2)
    whole = np.zeros((SIZE, SIZE, 3), dtype=np.uint8)
    (tmp_path / "note.png").write_text("no image")
    with pytest.raises(DataError, match=r"note\.png: is not an image"):
        classifier.predict(tmp_path / "note.png")
    with pytest.raises(DataError, match=r"uint8 array of shape \(h, w, 3\), but got float64"):
        classifier.predict(np.zeros((SIZE, SIZE, 3)))
    with pytest.raises(DataError, match=r"but got uint8 of shape \(32, 32\)"):
        classifier.predict([np.zeros((SIZE, SIZE), dtype=np.uint8)])
    with pytest.raises(DataError, match=r"image 1: .*but got uint8 of shape \(32, 32\)"):
        classifier.predict([whole, np.zeros((SIZE, SIZE), dtype=np.uint8)])
    for other in (None, b"bytes", 7, torch.zeros(3, SIZE, SIZE), [None]):
        kind = "NoneType" if other == [None] else type(other).__name__
        with pytest.raises(DataError, match=f"image 0: must be a file's name.*but got {kind}"):
            classifier.predict(other)


def test_a_cut_off_file_is_named_also_where_pillow_opened_it(pictures, tmp_path):
    classifier = classifier_of(2)
    Image.fromarray(pictures[0]).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:900])

    with pytest.raises(DataError, match=r"cut\.png: cannot be decoded"):
        classifier.predict(tmp_path / "cut.png")
    with Image.open(tmp_path / "cut.png") as cut, pytest.raises(
        DataError, match="image 0: cannot be decoded"
    ):
        classifier.predict(cut)


@pytest.mark.parametrize(("height", "width"), [(7, 50), (50, 7), (1, 1), (0, 50)])
def test_an_image_that_is_too_small_is_refused_in_every_form(tmp_path, height, width):
    classifier = classifier_of(2)
    small = np.zeros((height, width, 3), dtype=np.uint8)
    says = f"must be at least 8 pixels a side, but is {width}x{height}"

    with pytest.raises(DataError, match=says):
        classifier.probabilities(small)
    if height:
        Image.fromarray(small).save(tmp_path / "small.png")
        for form in (Image.fromarray(small), tmp_path / "small.png"):
            with pytest.raises(DataError, match=says):
                classifier.probabilities(form)


@pytest.mark.parametrize("num_classes", [2, 7])
def test_one_file_holds_all_that_it_takes(pictures, tmp_path, num_classes):
    classifier = classifier_of(num_classes)

    path = classifier.save(tmp_path / "mine.pt")
    opened = Classifier.load(str(path))

    assert (opened.network, opened.class_names, opened.image_size) == (
        NETWORK,
        classifier.class_names,
        SIZE,
    )
    assert not opened.model.training
    assert np.array_equal(opened.probabilities(pictures), classifier.probabilities(pictures))


def test_files_that_hold_something_else_are_told_apart(tmp_path):
    model = build_network(NETWORK, 3)
    save_weights(tmp_path / "weights.pt", NETWORK.to_dict(), model.state_dict())
    with pytest.raises(StudyError, match=r"weights\.pt: must be a classifier's file, but holds"):
        Classifier.load(tmp_path / "weights.pt")
    with pytest.raises(StudyError, match="there is no such file"):
        Classifier.load(tmp_path / "none.pt")
    other = Classifier(NETWORK, model, tuple("abcd"), SIZE)  # one class too many
    with pytest.raises(StudyError, match="a network with 4 classes, but holds another's"):
        Classifier.load(other.save(tmp_path / "other.pt"))
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        other.save(tmp_path / "no folder" / "mine.pt")


CHANGED = {
    "image_size must be a whole number": {"image_size": "big"},
    "image_size must be at least 8, but got 0": {"image_size": 0},
    "image_size must be at least 8, but got -3": {"image_size": -3},
    "image_size must be at most 2048": {"image_size": 10**7},
    "class_names must be a list, but got 5": {"class_names": 5},
    'class_names must be a list, but got "abc"': {"class_names": "abc"},
    "class_names.0 must be a text": {"class_names": [1, 2, 3]},
    "class_names must have at least 2 entries": {"class_names": ["a"]},
    "but holds something else": {"model": {1: torch.zeros(2)}},
    "some of them are NaN or infinite": {"model": {"head.bias": torch.tensor([0.0, np.nan, 1.0])}},
}


@pytest.mark.parametrize("says", CHANGED)
def test_a_file_that_was_changed_is_refused_in_one_line(tmp_path, says):
    path = classifier_of(3).save(tmp_path / "mine.pt")
    torch.save({**torch.load(path, weights_only=True), **CHANGED[says]}, path)

    with pytest.raises(StudyError, match=rf"mine\.pt: .*{says}"):
        Classifier.load(path)


class OneNetwork:
    """A space of one point, as a study on images has it."""

    def suggest(self, trial):
        trial.suggest_categorical("one", [1])
        return NETWORK

    def contains(self, point):
        return True

    def key(self, point):
        return point.key

    def to_json(self, point):
        return point.to_dict()

    def from_json(self, data):
        return type(NETWORK).from_dict(data)


def test_a_candidate_of_a_run_comes_with_classes_and_image_size(pictures, tmp_path):
    identity = {"recipe": {"image_size": SIZE}, "data": {"classes": ["good", "bad", "odd"]}}
    run_study(
        OneNetwork(),
        lambda _: Measurement.of(val_accuracy=0.5, params=1),
        objectives=("val_accuracy", "params"),
        trials=1,
        out=tmp_path / "run",
        identity=identity,
    )
    run = open_run(tmp_path / "run")
    with pytest.raises(StudyError, match=r"run:0: must have its weights kept.*weights: true"):
        load_classifier(run, 0)
    with pytest.raises(StudyError, match="has no measured trial 9"):
        load_classifier(run, 9)
    known = classifier_of(3)
    save_weights(
        run.folder.candidate(0) / "weights.pt", NETWORK.to_dict(), known.model.state_dict()
    )

    classifier = load_classifier(run, 0)
    other = network_of_name("xception x0.125")
    save_weights(run.folder.candidate(0) / "weights.pt", other.to_dict(), {})
    with pytest.raises(StudyError, match=r"must hold the weights of trial 0, but holds another"):
        load_classifier(run, 0)
    unfinished = replace(run.records[0], measurement=Measurement("out_of_memory", "no room"))
    with pytest.raises(StudyError, match=r"run:0: must have finished to classify, but is out of m"):
        load_classifier(replace(run, records=(unfinished,)), 0)
    with pytest.raises(StudyError, match=r"run:0: its study must say which classes"):
        load_classifier(replace(run, identity={}), 0)
    save_weights(
        run.folder.candidate(0) / "weights.pt", NETWORK.to_dict(), known.model.state_dict()
    )
    with pytest.raises(StudyError, match=r"run:0: class_names is missing"):
        load_classifier(replace(run, identity={"data": {}, "recipe": identity["recipe"]}), 0)

    assert (classifier.class_names, classifier.image_size) == (("good", "bad", "odd"), SIZE)
    assert np.array_equal(classifier.probabilities(pictures), known.probabilities(pictures))
