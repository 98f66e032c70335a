"""Public layouts on disk, drawn once, and a disk that is soon full.

The modules beside this file can be imported by their name.
"""

import sys
from pathlib import Path

import pytest

from nas_edge.data.synthetic import SyntheticBoards, SyntheticPcb, write_caltech101, write_hripcb

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def drawn_boards():
    """Return what `pcb_dataset` was drawn from."""
    return SyntheticBoards(num_boards=5, images_per_defect=2, size=(320, 256), seed=4, field_px=96)


@pytest.fixture(scope="session")
def pcb_dataset(drawn_boards, tmp_path_factory):
    """Return a folder like HRIPCB's: five boards, two images of each defect; not to be changed."""
    return write_hripcb(drawn_boards, tmp_path_factory.mktemp("boards") / "PCB_DATASET")


@pytest.fixture(scope="session")
def caltech_root(tmp_path_factory):
    """Return a folder like Caltech-101's, seven categories of ten images; not to be changed."""
    drawn = SyntheticPcb(num_classes=7, image_size=24, seed=4)
    return write_caltech101(drawn, tmp_path_factory.mktemp("caltech") / "caltech101", 10)


@pytest.fixture
def small_disk(mount_disk):
    """Return the mount point of a disk of 1 MiB."""
    return mount_disk(1)
