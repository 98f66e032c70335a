"""Importing torch and torchvision in a process of its own: what it says, and what mends it."""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from nas_edge.device.board import Board
from nas_edge.device.torch_import import (
    TorchImport,
    import_torch,
    torch_check,
    torch_checks,
    torchvision_check,
    torchvision_for,
)

XAVIER = Board("NVIDIA Jetson Xavier NX", "35.4.1", "5.1.2")
ORIN = Board("NVIDIA Jetson Orin Nano", "36.4.3", "6.2")


@pytest.fixture
def shadow(tmp_path, monkeypatch):
    """Return what puts a module before the installed ones, for processes that start here."""
    path = filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))

    def write(name, code):
        (tmp_path / f"{name}.py").write_text(code)

    return write


def test_torch_of_this_environment_imports():
    found = import_torch()

    assert found.torch == torch.__version__
    assert found.cuda == (torch.version.cuda or "")
    assert found.sees_gpu == torch.cuda.is_available()
    assert torch_check(found, None, "auto").state == "ok"


def test_missing_torch_is_a_problem(shadow):
    shadow("torch", "raise ModuleNotFoundError('No module named \\'torch\\'', name='torch')")

    check, *others = torch_checks(import_torch(), None, "auto")

    assert others == []  # torchvision cannot be judged without
    assert check.state == "problem"
    assert "No module named 'torch'" in check.found
    assert check.mend == "pip install --force-reinstall torch torchvision"


@pytest.mark.skipif(sys.platform == "win32", reason="has no signals")
def test_torch_that_ends_the_process_is_a_problem_and_names_the_signal(shadow):
    shadow("torch", "import os, signal; os.kill(os.getpid(), signal.SIGILL)")

    check = torch_check(import_torch(), XAVIER, "auto")

    assert check.state == "problem"
    assert "SIGILL" in check.found
    assert check.mend == XAVIER.torch_command


def test_torch_that_never_comes_back_is_given_up(shadow):
    shadow("torch", "import time; time.sleep(600)")

    assert import_torch(timeout_s=1).error == "its import was not done after 1 s"


def test_too_old_torch_is_a_problem():
    check = torch_check(TorchImport("2.0.0+nv23.05", "11.4", True), XAVIER, "auto")

    assert check.state == "problem"
    assert "must be at least 2.1.0, but is 2.0.0" in check.found


@pytest.mark.parametrize(
    ("wanted", "state"), [("auto", "note"), ("cuda", "problem"), ("cpu", "ok")]
)
def test_torch_without_cuda_on_a_jetson(wanted, state):
    check = torch_check(TorchImport("2.8.0+cpu"), ORIN, wanted)

    assert check.state == state
    if state != "ok":
        assert "does not see the GPU of this board" in check.found
        assert check.mend == ORIN.torch_command


def test_torchvision_without_its_compiled_part_is_noted_with_the_matching_build(
    tmp_path, monkeypatch
):
    installed = Path(find_spec("torchvision").origin).parent
    shutil.copytree(
        str(installed),
        str(tmp_path / "torchvision"),
        ignore=shutil.ignore_patterns("*.so", "*.dylib", "*.pyd", "__pycache__"),
    )
    path = filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))

    check = torchvision_check(import_torch())

    minor = int(torch.__version__.split(".")[1])
    assert check.state == "note"
    assert "operator torchvision::nms does not exist" in check.found
    assert f"torchvision==0.{minor + 15}.*" in check.mend


@pytest.mark.skipif(sys.platform == "win32", reason="has no signals")
def test_torchvision_that_ends_the_process_leaves_torch_good(shadow):
    shadow("torchvision", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")

    found = import_torch()

    assert found.torch == torch.__version__
    assert "SIGSEGV" in torchvision_check(found).found


def test_missing_torchvision_is_a_note(shadow):
    shadow("torchvision", "raise ModuleNotFoundError('none', name='torchvision')")

    check = torchvision_check(import_torch())

    assert (check.state, check.found[:16]) == ("note", "is not installed")


# As PyTorch's own table of releases has them.
@pytest.mark.parametrize(
    ("of_torch", "vision"),
    [
        ("2.1.2", "0.16"),
        ("2.1.0a0+41361538.nv23.06", "0.16"),
        ("2.5.1", "0.20"),
        ("2.8.0+cu129", "0.23"),
        ("1.13.1", ""),
    ],
)
def test_torchvision_of_a_torch(of_torch, vision):
    assert torchvision_for(of_torch) == vision


@pytest.mark.parametrize(
    ("of_torch", "vision", "state"),
    [
        ("2.5.1+cu121", "0.20.1+cu121", "ok"),
        ("2.5.1+cu121", "0.2.0", "note"),
        ("2.5.1+cu121", "0.19.1+cu121", "note"),
        ("3.0.0", "1.0.0", "ok"),
    ],
)
def test_pair_that_does_not_belong_together_is_noted(of_torch, vision, state):
    check = torchvision_check(TorchImport(of_torch, torchvision=vision))

    assert check.state == state


@pytest.mark.parametrize(
    ("of_torch", "board", "part"),
    [
        (
            "2.5.1+cu121",
            None,
            "'torchvision==0.20.*', from PyTorch's cu121 builds",
        ),
        ("2.5.1", None, "--no-deps 'torchvision==0.20.*'"),
        ("2.1.0a0+41361538.nv23.06", XAVIER, "github.com/pytorch/vision@v0.16.0"),
        ("2.8.0", ORIN, "'torchvision==0.23.*', from where the board's torch came"),
    ],
)
def test_mend_names_the_torchvision_for_this_torch_and_never_replaces_torch(of_torch, board, part):
    mend = torchvision_check(TorchImport(of_torch), board).mend

    assert part in mend
    assert "--no-deps" in mend
