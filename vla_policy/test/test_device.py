"""Devices and types of numbers: those that this machine lacks are refused by name, the others agree."""

import numpy as np
import pytest
import torch
from test_checkpoint import observation

from vla_policy.errors import DeviceError
from vla_policy.native.device import available_devices, find_device, find_dtype
from vla_policy.opening import Opening, load_policy
from vla_policy.policy import NOTHING_ASKED


def test_what_is_not_there_is_named(card, tiny_checkpoint, monkeypatch):
    monkeypatch.setattr("vla_policy.native.device.available_devices", lambda: ["cpu", "cuda:0"])
    for device in ("cuda:1", "mps", "tpu"):
        with pytest.raises(DeviceError, match=f"device '{device}' is not there, this machine has: cpu, cuda:0"):
            load_policy(tiny_checkpoint, card, Opening(device=device))
    assert find_device("cuda") == torch.device("cuda:0")
    with pytest.raises(DeviceError, match="dtype 'float16' is unknown, there are: float32, bfloat16"):
        find_dtype("float16")


@pytest.mark.parametrize("device", available_devices())
@pytest.mark.parametrize("head", ["regression", "flow_matching"])
def test_devices_and_dtypes_agree(card, tmp_path, make_image, device, head):
    from dataclasses import replace

    from vla_policy.checkpoint import Checkpoint, save_checkpoint
    from vla_policy.native.config import ModelConfig
    from vla_policy.native.embodiment import Embodiment
    from vla_policy.native.vla import VlaModel

    random = np.random.default_rng(0)
    config = ModelConfig(tuple(card.camera_names), card.state_dim, card.action_dim, card.action.horizon, head=head)
    torch.manual_seed(0)
    one = Embodiment.fit(card, random.normal(0, 1, (50, card.state_dim)), random.normal(0, 1, (50, 16, 7)))
    path = tmp_path / "x.safetensors"
    save_checkpoint(Checkpoint(VlaModel(replace(config)).state_dict(), config, [one], {}), path)
    seen = observation(card, make_image)
    plain = load_policy(path, card).infer(seen, NOTHING_ASKED).actions
    for dtype, tolerance in (("float32", 1e-3), ("bfloat16", 0.05)):
        policy = load_policy(path, card, Opening(device=device, dtype=dtype))
        given = policy.infer(seen, NOTHING_ASKED).actions
        assert policy.info.device == device and given.dtype == np.float64
        assert np.abs(given - plain)[:, :6].max() < tolerance * max(1.0, np.abs(plain).max()), dtype
    assert np.array_equal(policy.infer(seen, NOTHING_ASKED).actions, given) == (head == "regression")
    policy.reset()
    assert np.array_equal(policy.infer(seen, NOTHING_ASKED).actions, given)
