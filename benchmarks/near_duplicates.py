"""Which perceptual hash, and which distance, tells images that show the same from those that don't.

For each hash and distance: how many pairs of a folder's images it takes for near duplicates, how
many of those show different places (their 128 x 128 grey images correlate below 0.9), and which
share of the images it finds again in other forms: compressed, resized, brighter, more contrast.
The folder's images must be distinct. ::

    python benchmarks/near_duplicates.py DIR
    python benchmarks/near_duplicates.py DIR --every 10
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import Callable, Dict, List, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

import imagehash
import numpy as np
from PIL import Image, ImageEnhance

from nas_edge.data.audit.listing import list_for_audit
from nas_edge.data.audit.near import find_neighbours

HASHES: Dict[str, Tuple[Callable[..., imagehash.ImageHash], int, Tuple[int, ...]]] = {
    "phash 8x8": (imagehash.phash, 8, (0, 2, 4, 6, 8)),
    "phash 16x16": (imagehash.phash, 16, (0, 8, 16, 24, 32)),
    "dhash 8x8": (imagehash.dhash, 8, (0, 2, 4, 6, 8)),
    "dhash 16x16": (imagehash.dhash, 16, (0, 8, 16, 24, 32)),
}
SAME_PLACE = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=10, help="of how many images one is changed")
    args = parser.parse_args()
    images = [read(file.path) for file in list_for_audit(args.folder).files]
    changed = {index: forms(images[index]) for index in range(0, len(images), args.every)}
    names = list(next(iter(changed.values())))
    print(f"{len(images)} images, {len(changed)} of them in {len(names)} other forms")
    print(f"{'hash':<12}{'bits':>5}{'pairs':>7}{'wrong':>6}" + "".join(f"{n:>12}" for n in names))
    greys = np.stack([grey(image) for image in images])
    for name, (function, size, distances) in HASHES.items():
        hashes = [function(image, size).hash.ravel() for image in images]
        again = {
            i: [function(form, size).hash.ravel() for form in f.values()]
            for i, f in changed.items()
        }
        for distance in distances:
            num_pairs, num_wrong = pairs(hashes, distance, greys)
            found = np.mean(
                [[np.sum(h != hashes[i]) <= distance for h in hs] for i, hs in again.items()],
                axis=0,
            )
            shares = "".join(f"{share:>12.1%}" for share in found)
            print(f"{name:<12}{distance:>5}{num_pairs:>7}{num_wrong:>6}{shares}")


def read(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def forms(image: Image.Image) -> Dict[str, Image.Image]:
    half = (image.width // 2, image.height // 2)
    return {
        "quality 75": compressed(image, 75),
        "quality 40": compressed(image, 40),
        "half": image.resize(half, Image.Resampling.LANCZOS),
        "224 px": image.resize((224, 224), Image.Resampling.BILINEAR),
        "64 px": image.resize((64, 64), Image.Resampling.BILINEAR),
        "brighter": ImageEnhance.Brightness(image).enhance(1.1),
        "contrast": ImageEnhance.Contrast(image).enhance(1.1),
    }


def compressed(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def grey(image: Image.Image) -> np.ndarray:
    """Return an image as a vector of mean 0 and length 1, so that a product is a correlation."""
    pixels = np.asarray(image.convert("L").resize((128, 128), Image.Resampling.BOX), np.float32)
    centred = (pixels - pixels.mean()).ravel()
    return centred / max(float(np.linalg.norm(centred)), 1e-9)


def pairs(hashes: List[np.ndarray], distance: int, greys: np.ndarray) -> Tuple[int, int]:
    """Return how many pairs are near, and how many of them show different places."""
    near = find_neighbours([np.packbits(one).tobytes() for one in hashes], distance)
    members: Dict[int, List[int]] = {}
    for image, node in enumerate(near.nodes.tolist()):
        members.setdefault(node, []).append(image)
    found = [(a, b) for m in members.values() for i, a in enumerate(m) for b in m[i + 1 :]]
    found += [(a, b) for m, n in near.pairs.tolist() for a in members[m] for b in members[n]]
    wrong = sum(float(greys[a] @ greys[b]) < SAME_PLACE for a, b in found)
    return len(found), wrong


if __name__ == "__main__":
    main()
