"""A candidate's trained weights in, a classifier of images out: what is taken home from a run.

It can be kept in one file, which holds all that it takes to read an image, and opened again without
the run; opening it runs nothing that is in it. Images are stretched to the square that the network
was trained with, as those of the study were.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Sequence,
    Tuple,
    Union,
)

import numpy as np

from nas_edge.data.decode import Decoded, decode_image, decode_opened, size_problem
from nas_edge.errors import DataError, EnvironmentProblem, StudyError
from nas_edge.space.baselines import Network
from nas_edge.study.classifier_facts import facts_in
from nas_edge.study.run import Run, open_run
from nas_edge.study.transfer_source import network_of_record, weights_file

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor, nn

    from nas_edge.training.weights import SavedWeights

BATCH_SIZE = 64
OneImage = Union[str, Path, np.ndarray, "Image.Image"]


@dataclass(frozen=True)
class Classifier:
    """A trained network and how it is used.

    ``model`` is an ordinary module in evaluation mode: images (n, 3, h, w) in [-1, 1] to logits,
    one for two classes, else one a class. It may be moved to another device, and trained further
    (with the template's own dropout and momentum, not those of the study's recipe).
    """

    network: Network
    model: nn.Module
    class_names: Tuple[str, ...]
    image_size: int

    def __repr__(self) -> str:
        """Return what it tells apart and from what, without the layers."""
        classes = ", ".join(self.class_names)
        num_params = sum(weights.numel() for weights in self.model.parameters())
        return f"<Classifier of {classes}: {num_params:,} parameters, {self.image_size} px>"

    @classmethod
    def load(cls, path: Union[str, Path]) -> Classifier:
        """Return the classifier that `save` wrote.

        Raises:
            StudyError: If the file holds none, or was changed.
        """
        from nas_edge.training.weights import load_weights

        saved = load_weights(Path(path))
        if not {"class_names", "image_size"} <= set(saved.about):
            raise StudyError(
                f"{path}: must be a classifier's file, but holds weights alone; open its run and "
                "use load_classifier"
            )
        facts = facts_in(saved.about, str(path))
        return _built(saved, facts.class_names, facts.image_size, str(path))

    def save(self, path: Union[str, Path]) -> Path:
        """Write the classifier into one file and return its path.

        Raises:
            EnvironmentProblem: If it cannot be written.
        """
        from nas_edge.training.checkpoint import save_checkpoint

        try:
            save_checkpoint(
                Path(path),
                {
                    "architecture": self.network.to_dict(),
                    "model": self.model.state_dict(),
                    "class_names": list(self.class_names),
                    "image_size": self.image_size,
                },
            )
        except OSError as err:
            raise EnvironmentProblem(f"{path}: cannot be written ({err.strerror or err})") from err
        return Path(path)

    def probabilities(self, images: Union[OneImage, Sequence[OneImage]]) -> np.ndarray:
        """Return what the network takes each class for, shape (n, classes); rows sum to 1.

        Args:
            images: Files, Pillow's images, or uint8 arrays of shape (h, w, 3); one or many, each
                of a size that a study takes: 8 pixels a side and more.
        Raises:
            DataError: If one of them cannot be used; it is named by its file or its place.
        """
        import torch

        pixels = [
            _pixels(image, self.image_size, place) for place, image in enumerate(_listed(images))
        ]
        device = next(self.model.parameters()).device
        found = []
        with _evaluating(self.model), torch.inference_mode():
            for start in range(0, len(pixels), BATCH_SIZE):
                batch = torch.from_numpy(np.stack(pixels[start : start + BATCH_SIZE])).to(device)
                inputs = batch.permute(0, 3, 1, 2).to(torch.float32).div_(127.5).sub_(1.0)
                found.append(_shares(self.model(inputs)).cpu().numpy())
        return np.concatenate(found) if found else np.empty((0, len(self.class_names)))

    def predict(self, images: Union[OneImage, Sequence[OneImage]]) -> Any:
        """Return a pandas DataFrame, one row an image: file as given, class, its probability.

        The arguments are those of `probabilities`; images that are no files have no such column.
        """
        import pandas as pd

        listed = _listed(images)
        found = self.probabilities(listed)
        best = found.argmax(axis=1) if len(found) else np.empty(0, dtype=int)
        files = [str(one) if isinstance(one, (str, os.PathLike)) else "" for one in listed]
        columns: Dict[str, Any] = {"file": files} if any(files) or not listed else {}
        columns["predicted"] = [self.class_names[i] for i in best]
        columns["probability"] = found[np.arange(len(found)), best]
        return pd.DataFrame(columns)


def load_classifier(run: Union[Run, str, Path], number: int) -> Classifier:
    """Return a candidate of a run as a classifier of images.

    Args:
        run: From `open_run`, or its folder; its study keeps weights
            (``artifacts: {weights: true}``).
        number: The candidate's.
    Raises:
        StudyError: If there is no such candidate, it did not finish, or its weights were not kept.
    """
    from nas_edge.training.weights import load_weights

    run = run if isinstance(run, Run) else open_run(run)
    record = run.record(number)
    where = f"{run.folder.path}:{number}"
    if not record.measurement.is_finished:
        raise StudyError(
            f"{where}: must have finished to classify, but is "
            f"{record.measurement.outcome.replace('_', ' ')}; choose another candidate"
        )
    if not {"data", "recipe"} <= set(run.identity):
        raise StudyError(
            f"{where}: its study must say which classes and images it trained with, as "
            "run_training_study's does, but an evaluator of its own ran it; make a Classifier of "
            "its weights.pt by hand"
        )
    path = weights_file(run, record)
    saved = load_weights(path)
    if saved.network != network_of_record(run, record):
        raise StudyError(
            f"{path}: must hold the weights of trial {number}, but holds another network's; train "
            "it anew in another folder"
        )
    facts = facts_in(_said_of_images(run), where)
    return _built(saved, facts.class_names, facts.image_size, str(path))


def _said_of_images(run: Run) -> Dict[str, Any]:
    """Return what a study's identity says, by the names that a classifier has for it."""
    data, recipe = run.identity["data"], run.identity["recipe"]
    said: Dict[str, Any] = {}
    if isinstance(data, Mapping) and "classes" in data:
        said["class_names"] = data["classes"]
    if isinstance(recipe, Mapping) and "image_size" in recipe:
        said["image_size"] = recipe["image_size"]
    return said


def _built(
    saved: SavedWeights, class_names: Tuple[str, ...], image_size: int, where: str
) -> Classifier:
    from nas_edge.models.network import build_network

    num_outputs = 1 if len(class_names) == 2 else len(class_names)
    model = build_network(saved.network, num_outputs)
    try:
        model.load_state_dict(saved.state)
    except RuntimeError as err:
        raise StudyError(
            f"{where}: must hold the weights of a network with {len(class_names)} classes, but "
            "holds another's"
        ) from err
    return Classifier(saved.network, model.eval(), class_names, image_size)


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Have a model evaluate meanwhile, also one that somebody trains further."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def _listed(images: Any) -> List[Any]:
    """Return images, or what was given in their place, as a list."""
    if isinstance(images, (str, Path)) or hasattr(images, "convert"):
        return [images]
    if isinstance(images, np.ndarray) and images.ndim != 4:
        return [images]
    if isinstance(images, (bytes, bytearray)) or not isinstance(images, Iterable):
        return [images]  # none, and said so by its kind
    return list(images)


def _pixels(image: OneImage, size: int, place: int) -> np.ndarray:
    """Return an image as (size, size, 3) uint8, as the images of a study are read."""
    if isinstance(image, (str, os.PathLike)):
        name, decoded = str(image), decode_image(Path(image), size)
    else:
        name, decoded = f"image {place}", _decoded(image, size)
    if isinstance(decoded, str):
        raise DataError(f"{name}: {decoded}")
    return decoded


def _decoded(image: Any, size: int) -> Decoded:
    """Return an image of Pillow's or an array as its file would be read, or why it is none."""
    from PIL import Image

    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            return (
                "must be a uint8 array of shape (h, w, 3), but got "
                f"{image.dtype} of shape {image.shape}"
            )
        return size_problem(*image.shape[1::-1]) or decode_opened(Image.fromarray(image), size)
    if isinstance(image, Image.Image):
        return decode_opened(image, size)
    return (
        "must be a file's name, an image of Pillow's or a uint8 array of shape (h, w, 3), but got "
        f"{type(image).__name__}"
    )


def _shares(logits: Tensor) -> Tensor:
    """Return probabilities, shape (n, classes), of logits: one of two classes, or one a class."""
    import torch

    if logits.shape[1] > 1:
        return logits.softmax(dim=1)
    second = logits.sigmoid()
    return torch.cat([1.0 - second, second], dim=1)
