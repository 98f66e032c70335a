"""A PCB_DATASET folder in, class folders of crops out: what `nas-edge data prepare-pcb` does."""

from __future__ import annotations

import dataclasses
import os
import warnings
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from nas_edge.data.hripcb.board_split import split_boards
from nas_edge.data.hripcb.cut import cut_crops, is_whole
from nas_edge.data.hripcb.options import PrepareOptions
from nas_edge.data.hripcb.plan import Crop, plan_crops
from nas_edge.data.hripcb.scan import BoardImage, digest_of, scan_boards
from nas_edge.data.hripcb.unfinished import growing_folder
from nas_edge.errors import DataError

FORMAT = 1
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Prepared:
    """What was written.

    Attributes:
        boards: The boards of each split.
        counts: Crops by split and class.
        was_there: Whether it was whole already.
    """

    boards: Dict[str, Tuple[str, ...]]
    counts: Dict[str, Dict[str, int]]
    was_there: bool


def prepare_pcb(
    source: Path,
    out: Path,
    options: PrepareOptions,
    *,
    workers: Optional[int] = None,
    on_progress: Optional[Progress] = None,
) -> Prepared:
    """Write `out/{train,val,test}/<class>/*.jpg` and `out/preparation.json`.

    The same source and options give the same bytes, whatever the number of workers. A killed call
    is taken up by the next.

    Args:
        source: HRIPCB's PCB_DATASET.
        out: The set's folder: new, empty, or from an equal call.
        options: What decides the crops.
        workers: Threads; all cores by default.
        on_progress: Called with crops done and crops in all.
    Raises:
        DataError: If the source cannot be used, or `out` is from another call or lacks crops.
        EnvironmentProblem: If `out` cannot be written.
    """
    images = scan_boards(source)
    boards = split_boards([one.board for one in images], options, str(source))
    crops = plan_crops(images, boards, options, str(source))
    counts = _counted(crops)
    record = _record(images, boards, counts, options)
    with growing_folder(out, record) as folder:
        if folder is None:
            _require_all(crops, out)
        else:
            _cut_all(images, crops, options.size, folder, workers, on_progress)
    return Prepared(boards, counts, folder is None)


def _record(
    images: Sequence[BoardImage],
    boards: Mapping[str, Sequence[str]],
    counts: Mapping[str, Mapping[str, int]],
    options: PrepareOptions,
) -> Dict[str, Any]:
    import PIL

    return {
        "format": FORMAT,
        "options": dataclasses.asdict(options),
        "source": {
            "images": len(images),
            "defects": sum(len(one.defects) for one in images),
            "digest": digest_of(images),
        },
        "boards": boards,
        "counts": counts,
        "pillow": PIL.__version__,  # another version may encode other bytes
    }


def _counted(crops: Sequence[Crop]) -> Dict[str, Dict[str, int]]:
    counts: Dict[str, Dict[str, int]] = {}
    for crop in crops:
        split, name, _ = crop.place.split("/", 2)
        of_split = counts.setdefault(split, {})
        of_split[name] = of_split.get(name, 0) + 1
    return counts


def _require_all(crops: Sequence[Crop], folder: Path) -> None:
    """Refuse a finished set of which crops were lost since."""
    lost = [crop.place for crop in crops if not is_whole(folder / crop.place)]
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        raise DataError(
            f"{folder}: must hold the {len(crops)} crops of preparation.json, but {lost[0]}{more} "
            "cannot be found or read to its end; remove the folder, or use --out for another one"
        )


def _cut_all(
    images: Sequence[BoardImage],
    crops: Sequence[Crop],
    size: int,
    folder: Path,
    workers: Optional[int],
    on_progress: Optional[Progress],
) -> None:
    """Cut what is not there yet, each board image opened once."""
    missing: Dict[int, List[Crop]] = {}
    for crop in crops:
        if not is_whole(folder / crop.place):
            missing.setdefault(crop.image, []).append(crop)
    for place in sorted({os.path.dirname(crop.place) for crop in crops}):
        (folder / place).mkdir(parents=True, exist_ok=True)
    done = len(crops) - sum(map(len, missing.values()))
    # Pillow warns of oddities in files that it reads; filters cannot be set thread by thread.
    with warnings.catch_warnings(), ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        warnings.simplefilter("ignore")
        futures: Dict[Future[None], int] = {}
        try:
            for index, group in missing.items():
                task = pool.submit(cut_crops, images[index].path, group, size, folder)
                futures[task] = len(group)
            if on_progress:
                on_progress(done, len(crops))
            for task in as_completed(futures):
                task.result()
                done += futures[task]
                if on_progress:
                    on_progress(done, len(crops))
        finally:  # after an error or Ctrl-C the pool would finish everything first
            for task in futures:
                task.cancel()
