import time

import pytest
import torch
from torch import nn

from nas_edge.device.latency import measure_latency

CPU = torch.device("cpu")


class Sleeper(nn.Module):
    """Takes so many milliseconds a call, and keeps what it saw."""

    def __init__(self, times_ms):
        super().__init__()
        self.times_ms = list(times_ms)
        self.calls = []

    def forward(self, images):
        """Sleep."""
        last = images.is_contiguous(memory_format=torch.channels_last)
        self.calls.append((tuple(images.shape), self.training, torch.is_grad_enabled(), last))
        time.sleep(self.times_ms.pop(0) / 1e3)
        return images


def test_median_and_p95_leave_the_warm_up_out():
    # Two slow warm-ups, then 19 quick calls and two slow ones: ranks 0..20, p95 is rank 19.
    model = Sleeper([60, 60] + [2] * 19 + [40, 40])
    found = measure_latency(model, 8, 1, CPU, num_runs=21, num_warmups=2)
    assert found.median_ms == pytest.approx(2, abs=8)
    assert 39 <= found.p95_ms < 60
    assert (found.batch_size, found.num_runs, found.num_calls) == (1, 21, 23)
    assert found.spread_ms < 15  # the two slow ones are outside of the quartiles


def test_a_slow_network_is_called_less_often_but_five_times():
    found = measure_latency(Sleeper([30] * 25), 8, 1, CPU, num_warmups=2, max_s=0.001)
    assert (found.num_runs, found.num_calls) == (5, 7)


def test_runs_in_evaluation_mode_without_gradients_and_puts_the_mode_back():
    model = Sleeper([0] * 4).train()
    measure_latency(model, 12, 3, CPU, num_runs=3, num_warmups=1)
    assert model.training
    assert [call[:3] for call in model.calls] == [((3, 3, 12, 12), False, False)] * 4


@pytest.mark.parametrize("channels_last", [True, False])
def test_images_have_the_models_memory_format(channels_last):
    model = Sleeper([0] * 2)
    measure_latency(model, 8, 2, CPU, channels_last=channels_last, num_runs=1, num_warmups=1)
    assert [call[3] for call in model.calls] == [channels_last] * 2


def test_a_larger_network_takes_longer():
    small = nn.Conv2d(3, 8, 3).to(memory_format=torch.channels_last)
    large = nn.Sequential(nn.Conv2d(3, 64, 3), nn.Conv2d(64, 256, 3), nn.Conv2d(256, 256, 3)).to(
        memory_format=torch.channels_last
    )
    times = [measure_latency(net, 48, 1, CPU, num_runs=9).median_ms for net in (small, large)]
    assert times[1] > 2 * times[0]
