"""Folders of small images with copies in known places, and where those are by brute force."""

from __future__ import annotations

import hashlib
import itertools
import random
from pathlib import Path

import numpy as np
from PIL import Image

PLACES = list(itertools.product(("train", "val", "test"), ("0", "1")))


def scene(seed: int, side: int = 48) -> Image.Image:
    """Return a smooth picture; two of them look nothing alike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def put(path: Path, image: Image.Image, **options) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path.read_bytes()


def scattered(root: Path, num_images: int = 60) -> None:
    """Write each of some images into one to four places, drawn at random, under any name."""
    draw = random.Random(7)
    for number in range(num_images):
        image = scene(number)
        for copy in range(draw.choice([1, 1, 1, 2, 2, 3, 4])):
            split, label = draw.choice(PLACES)
            put(root / split / label / f"{draw.randrange(10**6):06d}-{number}-{copy}.png", image)


def by_brute_force(root: Path):
    """Return where each distinct content lies, from the bytes alone."""
    places = {}
    for path in sorted(root.glob("*/*/*")):
        key = hashlib.md5(path.read_bytes()).digest()
        places.setdefault(key, []).append(path.relative_to(root).parts)
    return list(places.values())
