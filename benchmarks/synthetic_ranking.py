"""Does the synthetic set rank architectures? Train some by the demo's recipe, several seeds each.

    python benchmarks/synthetic_ranking.py [--study demo] [--seeds 3] [--random 4]

Aim: from the smallest point of the small space to the paper's configuration the validation accuracy
spreads by at least 10 points within the demo's epochs, and none sits at chance or at 100%.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from pathlib import Path
from typing import Dict

from nas_edge import Architecture, SearchSpace, TrainingEvaluator, load_study_config
from nas_edge.candidate.evaluator import Job
from nas_edge.config.units import format_bytes
from nas_edge.data.source import load_image_set
from nas_edge.device.machine import find_device
from nas_edge.space.smallest import smallest_points


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--study", default="demo")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--random", type=int, default=4)
    parser.add_argument("--difficulty", type=float)
    parser.add_argument("--classes", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--train", type=int)
    parser.add_argument("--learning-rate", type=float)
    options = parser.parse_args()
    config, _ = load_study_config(options.study)
    synthetic = _replaced(
        config.data.synthetic,
        difficulty=options.difficulty,
        classes=options.classes,
        train=options.train,
    )
    data = _replaced(config.data, synthetic=synthetic)
    recipe = _replaced(
        config.recipe,
        epochs=options.epochs,
        image_size=options.image_size,
        learning_rate=options.learning_rate,
    )
    space = SearchSpace.load(config.space)
    with tempfile.TemporaryDirectory() as scratch:
        images = load_image_set(data, recipe.image_size, Path(scratch) / "cache")
        evaluator = TrainingEvaluator(recipe, images, find_device("cpu"))
        chance = 100.0 / len(images.class_names)
        print(
            f"{images.description}, {images.counts}, chance {chance:.1f}%; {recipe.epochs} epochs"
        )
        means = {}
        for name, architecture in _architectures(space, recipe.image_size, options.random).items():
            found = []
            for seed in range(options.seeds):
                job = Job(seed, seed, Path(scratch) / f"{architecture.key}-{seed}")
                measured = evaluator.bind(job)(architecture)
                if not measured.is_finished:
                    print(f"{name}: {measured.outcome}: {measured.reason}")
                    break
                found.append(measured)
            else:
                accuracy = [100 * m.metrics["val_accuracy"].value for m in found]
                means[name] = statistics.mean(accuracy)
                shown = " ".join(f"{value:5.1f}" for value in accuracy)
                peak = format_bytes(found[0].metrics["peak_memory"].value)
                wall = statistics.median(m.wall_s for m in found)
                print(
                    f"{name:<26} val {means[name]:5.1f}  ({shown})  peak {peak:>10}  {wall:5.1f} s",
                    flush=True,
                )
    paper = next(value for name, value in means.items() if name.startswith("xception-lite x"))
    print(f"smallest to the paper's configuration: {paper - means['smallest']:.1f} points")
    print(f"least {min(means.values()):.1f}, most {max(means.values()):.1f}, chance {chance:.1f}")


def _architectures(space: SearchSpace, image_size: int, num_random: int) -> Dict[str, Architecture]:
    found = {"smallest": smallest_points(space, image_size, 1)[0], **space.references}
    rng = random.Random(1)
    for i in range(num_random):
        found[f"random {i}"] = space.sample(rng)
    return found


def _replaced(model, **changes):
    return model.model_copy(
        update={key: value for key, value in changes.items() if value is not None}
    )


if __name__ == "__main__":
    main()
