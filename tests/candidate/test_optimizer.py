"""8-bit Adam: what its states need, what it does to the weights, and where it is refused."""

import sys
from importlib.util import find_spec

import pytest
import torch

from nas_edge.candidate.optimizer_check import check_optimizer
from nas_edge.candidate.optimizer_states import optimizer_bytes
from nas_edge.config.study import RecipeConfig
from nas_edge.device.machine import find_device
from nas_edge.errors import ConfigError
from nas_edge.training.recipe import build_optimizer

CPU = torch.device("cpu")
EIGHT_BIT = RecipeConfig(optimizer="adam8bit", learning_rate=0.01, weight_decay=0.1)


def works_here():
    """Ask the library itself: it runs on a CPU from 0.50 on."""
    if find_spec("bitsandbytes") is None:
        return False
    from importlib.metadata import version

    return tuple(map(int, version("bitsandbytes").split(".")[:2])) >= (0, 50)


needs_library = pytest.mark.skipif(not works_here(), reason="no bitsandbytes that runs on a CPU")


def state_bytes(optimizer):
    """Return the bytes of all distinct storages that an optimizer's tensors have."""
    tensors = [v for state in optimizer.state.values() for v in state.values()]
    storages = {
        t.untyped_storage().data_ptr(): t.untyped_storage().nbytes()
        for t in tensors
        if isinstance(t, torch.Tensor) and t.dim()  # not torch's counters of steps
    }
    return sum(storages.values())


def stepped(recipe, sizes, device=CPU):
    """Return parameters after three steps along fixed gradients, and their optimizer."""
    generator = torch.Generator().manual_seed(0)
    model = torch.nn.ParameterList(torch.randn(n, generator=generator) for n in sizes).to(device)
    optimizer = build_optimizer(model, recipe, device)
    for _ in range(3):
        for parameter in model:
            parameter.grad = torch.randn(len(parameter), generator=generator).to(device)
        optimizer.step()
    return [p.detach() for p in model], optimizer


def test_states_by_hand():
    def need(name, *sizes, **more):
        return optimizer_bytes(RecipeConfig(optimizer=name, **more), sizes)

    assert need("adamw", 10, 5) == need("adam", 15) == 15 * 8
    assert need("sgd", 10, 5) == 15 * 4
    assert need("sgd", 10, 5, momentum=0.0) == 0
    assert need("adam8bit", 4095) == 4095 * 8
    # 4097 elements are 17 blocks of 256; two tables of 256 numbers serve all tensors.
    assert need("adam8bit", 4096) == 2 * 4096 + 2 * 4 * 16 + 2048
    assert need("adam8bit", 4097, 4096, 100) == 2 * 8193 + 2 * 4 * 33 + 2048 + 800


@pytest.mark.parametrize(
    "name", ["adam", "adamw", "sgd", pytest.param("adam8bit", marks=needs_library)]
)
def test_states_are_what_the_optimizer_really_keeps(name):
    recipe = RecipeConfig(optimizer=name)
    sizes = [10, 4095, 4096, 5000, 70000]
    assert state_bytes(stepped(recipe, sizes)[1]) == optimizer_bytes(recipe, sizes)


@needs_library
def test_small_tensors_are_stepped_as_adamw_steps_them():
    adamw = EIGHT_BIT.model_copy(update={"optimizer": "adamw"})
    (ours,), _ = stepped(EIGHT_BIT, [500])
    (theirs,), _ = stepped(adamw, [500])
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@needs_library
def test_large_tensors_are_stepped_nearly_so():
    adamw = EIGHT_BIT.model_copy(update={"optimizer": "adamw"})
    (ours,), _ = stepped(EIGHT_BIT, [8192])
    (theirs,), _ = stepped(adamw, [8192])
    difference = (ours - theirs).abs().mean()
    assert 0 < difference < 0.1 * 3 * EIGHT_BIT.learning_rate


@needs_library
def test_weights_in_channels_last_are_stepped_like_others():
    ends = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        layer = torch.nn.Conv2d(64, 16, 3).to(memory_format=memory_format)
        optimizer = build_optimizer(layer, EIGHT_BIT, CPU)
        generator = torch.Generator().manual_seed(1)
        for _ in range(3):
            for parameter in layer.parameters():
                gradient = torch.randn(parameter.shape, generator=generator)
                parameter.grad = gradient.contiguous(
                    memory_format=memory_format if gradient.dim() == 4 else torch.contiguous_format
                )
            optimizer.step()
        ends.append(layer.weight.detach().contiguous())
    assert torch.equal(*ends)


@needs_library
def test_it_is_accepted_where_it_works():
    check_optimizer(EIGHT_BIT, find_device("cpu"))


@pytest.mark.skipif(
    find_spec("bitsandbytes") is None or works_here(), reason="no bitsandbytes for CUDA alone"
)
def test_a_library_for_cuda_alone_is_refused_on_a_cpu():
    with pytest.raises(ConfigError, match=r"adam8bit does not work on this cpu .*0\.50 or newer"):
        check_optimizer(EIGHT_BIT, find_device("cpu"))


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_other_optimizers_need_no_library(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    check_optimizer(RecipeConfig(optimizer=name), find_device("cpu"))


def test_it_is_refused_where_the_library_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ConfigError) as caught:
        check_optimizer(EIGHT_BIT, find_device("cpu"), "search.optimizer")
    assert str(caught.value) == (
        "search.optimizer adam8bit needs bitsandbytes, which is not installed; "
        "pip install 'nas-edge[adam8bit]', or choose adam, adamw or sgd"
    )
    with pytest.raises(ConfigError, match="needs bitsandbytes"):
        build_optimizer(torch.nn.Linear(2, 2), EIGHT_BIT, CPU)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('CUDA Setup failed despite GPU being available')", "CUDA Setup"),
        ("import os; os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("class optim:\n def AdamW8bit(*_, **__): raise NameError('no such kernel')", "no such"),
    ],
)
def test_a_build_that_does_not_work_is_refused_with_the_reason(
    source, reason, tmp_path, monkeypatch
):
    package = tmp_path / "bitsandbytes"
    package.mkdir()
    (package / "__init__.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "bitsandbytes", raising=False)
    with pytest.raises(ConfigError) as caught:
        check_optimizer(EIGHT_BIT, find_device("cpu"))
    message = str(caught.value)
    assert message.startswith("recipe.optimizer adam8bit does not work on this cpu")
    assert reason in message
    assert message.endswith("0.50 or newer, or choose adam, adamw or sgd")
