"""Trained weights on disk: what they are, and files that are not."""

import pytest
import torch

from nas_edge.errors import StudyError
from nas_edge.models.network import build_network
from nas_edge.space.baselines import Baseline, network_of_name
from nas_edge.training.weights import load_weights, save_weights


@pytest.mark.parametrize("name", ["xception-lite x0.125", "squeezenet"])
def test_weights_come_back_with_their_network(tmp_path, name):
    network = network_of_name(name)
    model = build_network(network, 3)
    save_weights(tmp_path / "w.pt", network.to_dict(), model.state_dict())
    saved = load_weights(tmp_path / "w.pt")
    assert saved.network == network
    assert all(torch.equal(saved.state[key], value) for key, value in model.state_dict().items())


def test_a_missing_file_a_torn_one_and_another_ones_are_told_apart_in_one_line(tmp_path):
    with pytest.raises(StudyError, match="there is no such file"):
        load_weights(tmp_path / "none.pt")
    save_weights(tmp_path / "w.pt", Baseline("squeezenet").to_dict(), {"a": torch.zeros(1000)})
    (tmp_path / "torn.pt").write_bytes((tmp_path / "w.pt").read_bytes()[:-100])
    torch.save({"model": {}}, tmp_path / "other.pt")
    for name in ("torn.pt", "other.pt"):
        with pytest.raises(StudyError, match="but is damaged; train it anew"):
            load_weights(tmp_path / name)
    for number, state in enumerate(([1, 2], {"a": "text"})):
        torch.save({"architecture": {}, "model": state}, tmp_path / f"{number}.pt")
        with pytest.raises(StudyError, match="but holds something else"):
            load_weights(tmp_path / f"{number}.pt")
    torch.save({"architecture": {"baseline": "vgg"}, "model": {}}, tmp_path / "vgg.pt")
    with pytest.raises(StudyError, match=r"vgg\.pt: baseline must be one of .* but got 'vgg'"):
        load_weights(tmp_path / "vgg.pt")
