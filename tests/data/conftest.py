"""A disk that is soon full; the modules beside this file can be imported by their name."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def small_disk(tmp_path):
    """Return the mount point of a disk of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("cannot mount a small disk here")
    yield disk
    for _ in range(20):
        if subprocess.run(["umount", str(disk)], capture_output=True).returncode == 0:
            break
        time.sleep(0.1)
