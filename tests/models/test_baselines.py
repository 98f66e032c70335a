"""The paper's lightweight models and SqueezeNet: their counts, heads and Keras's settings."""

import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch
from torch import nn

from nas_edge.models.baselines import build_baseline, head_of_baseline
from nas_edge.models.counts import ModelCount
from nas_edge.models.network import (
    build_network,
    count_network,
    count_network_layers,
    freeze_body,
    head_of,
    take_body,
)
from nas_edge.space.baselines import BASELINE_NAMES, Baseline, network_of_name

# All, trainable: as Keras counts (its summary of each network with a dense layer of 101).
COUNTS_101 = {
    "efficientnetv2-b1": (7_060_505, 6_989_433),
    "mobilenetv2": (2_387_365, 2_353_253),
}


# Not importorskip: timm imports torchvision as it is, which may lack its compiled part.
needs_timm = pytest.mark.skipif(find_spec("timm") is None, reason="timm is not installed")


def build(name, num_outputs=7, init="he", bn_momentum=0.1):
    return build_baseline(name, num_outputs, dropout=0.2, bn_momentum=bn_momentum, init=init)


@needs_timm
@pytest.mark.parametrize("name", COUNTS_101)
@pytest.mark.parametrize("num_outputs", [101, 1])
def test_parameter_counts_are_those_of_keras(name, num_outputs):
    fewer = 1281 * (101 - num_outputs)  # both have 1,280 features before the dense layer
    expected = tuple(count - fewer for count in COUNTS_101[name])
    model = build(name, num_outputs)
    trainable = sum(p.numel() for p in model.parameters())
    statistics = sum(b.numel() for n, b in model.named_buffers() if not n.endswith("tracked"))
    assert (trainable + statistics, trainable) == expected
    counted = count_network(Baseline(name), 224, num_outputs)
    assert (counted.num_params, counted.num_trainable) == expected


def test_squeezenet_is_the_first_versions():
    # Iandola et al. 2016, table 1: 1,248,424 parameters with 1,000 classes, 513 a class.
    assert count_network(Baseline("squeezenet"), 224, 1000).num_params == 1_248_424
    assert count_network(Baseline("squeezenet"), 224, 1).num_params == 1_248_424 - 999 * 513


def test_macs_of_mobilenetv2_are_the_published_300_million():
    # Sandler et al. 2018, table 4: 300M multiply-adds at 224 px with 1,000 classes.
    assert count_network(Baseline("mobilenetv2"), 224, 1000).macs == pytest.approx(300e6, rel=0.01)


@pytest.mark.parametrize("name", ["xception", "xception-lite"])
def test_counting_by_a_run_agrees_with_counting_by_the_plan(name):
    from nas_edge.models.module_counts import count_module_layers

    network = network_of_name(name)
    with torch.device("meta"):
        rows = count_module_layers(build_network(network, 7), 65, "head")
    expected = count_network(network, 65, 7)
    assert ModelCount(
        sum(row.num_params for row in rows),
        sum(row.num_trainable for row in rows),
        sum(row.macs for row in rows),
    ) == (expected)


@needs_timm
@pytest.mark.parametrize("name", BASELINE_NAMES)
@pytest.mark.parametrize("num_outputs", [1, 7])
def test_images_become_logits_of_either_sign(name, num_outputs):
    torch.manual_seed(0)
    logits = build(name, num_outputs).train()(torch.randn(8, 3, 64, 64))
    assert logits.shape == (8, num_outputs)
    if num_outputs == 1:  # two classes: no is a negative logit
        body = build(name, 1)
        head = dict(body.named_modules())[head_of_baseline(name)]
        nn.init.constant_(head.bias, -5.0)
        assert (body.eval()(torch.randn(2, 3, 64, 64)) < 0).all()


@needs_timm
@pytest.mark.parametrize(("name", "momentum"), [("efficientnetv2-b1", 0.1), ("mobilenetv2", 0.001)])
def test_kerass_default_momentum_stands_for_the_networks_own_in_keras(name, momentum):

    def norms(model):
        found = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        return {m.momentum for m in found}, {m.eps for m in found}

    assert norms(build(name, bn_momentum=0.01)) == ({momentum}, {1e-3})
    assert norms(build(name, bn_momentum=0.3)) == ({0.3}, {1e-3})


@needs_timm
@pytest.mark.parametrize("name", ["xception-lite x0.125", *BASELINE_NAMES])
def test_a_frozen_body_leaves_the_head_alone_trainable(name):
    network = network_of_name(name)
    model = build_network(network, 7)
    freeze_body(model, head_of(network))
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    head = [r for r in count_network_layers(network, 64, 7) if r.flow == "head"]
    assert trainable == sum(row.num_params for row in head) > 0


@pytest.mark.parametrize("name", ["xception-lite x0.125", "squeezenet", "mobilenetv2"])
def test_a_body_is_taken_over_for_another_number_of_classes(name):
    network = network_of_name(name)
    torch.manual_seed(0)
    source, target = build_network(network, 7), build_network(network, 1)
    head = head_of(network)
    old_head = {n: p.clone() for n, p in target.state_dict().items() if n.startswith(head)}
    take_body(target, source.state_dict(), head, "weights")
    for key, value in target.state_dict().items():
        expected = old_head[key] if key in old_head else source.state_dict()[key]
        assert torch.equal(value, expected), key


def test_another_networks_weights_are_refused():
    from nas_edge.errors import StudyError

    source = build_network(network_of_name("xception-lite x0.125"), 7)
    target = build_network(network_of_name("xception x0.125"), 7)
    with pytest.raises(StudyError, match=r"w\.pt: must hold the weights of the same network"):
        take_body(target, source.state_dict(), "head", "w.pt")


def test_torchvision_without_its_compiled_part_gives_its_networks():
    # A fresh process, in which the compiled part is made impossible to load.
    code = (
        "import torch; torch.ops.load_library = lambda path: (_ for _ in ()).throw(OSError(path))\n"
        "from nas_edge.models.torchvision_import import import_torchvision\n"
        "print(import_torchvision().models.mobilenet_v2().classifier[1].out_features)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "1000", done.stderr
