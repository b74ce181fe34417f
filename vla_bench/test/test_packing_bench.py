"""What docs/how-to/record_and_replay.md says that packed images cost holds, on the shipped policy."""

import json

import pytest
from shipped_paths import CARD, CHECKPOINT

from vla_bags.image_packer import ImageKeeping
from vla_bench import evidence_bench, figures
from vla_bench.packing.bench import NOISE, packing_bench
from vla_bench.verbs import bench as cli_bench

pytestmark = [pytest.mark.timeout(100), pytest.mark.images]


def test_a_replay_of_packed_images_is_within_what_is_stated(tmp_path):
    keepings = (ImageKeeping("raw"), ImageKeeping("png"), ImageKeeping("jpeg"), ImageKeeping("h264"))
    trials = (("pick", 3000), ("stack", 3001))
    raw, png, jpeg, video = packing_bench(
        CARD, str(CHECKPOINT), trials=trials, seconds=2.5, noise=NOISE, keepings=keepings, folder=tmp_path
    ).values()
    assert list(tmp_path.iterdir()) == []
    assert raw["chunks"] == png["chunks"] == jpeg["chunks"] == video["chunks"] >= 10
    for lossless in (raw, png):
        assert lossless["equal"] == 1.0 and lossless["pixel_max"] == 0
        assert lossless["position_mm"] == lossless["rotation_mrad"] == (0.0, 0.0)
    assert raw["smaller"] == pytest.approx(1.0, abs=0.05) and 1.5 < png["smaller"] < 3
    assert jpeg["smaller"] > 10 and 0 < jpeg["pixel_mean"] < 3.5 and jpeg["pixel_p95"] < 10
    assert 0 < jpeg["position_mm"][0] < 0.2 and jpeg["position_mm"][1] < 2.0
    assert jpeg["rotation_mrad"][1] < 1.0 and jpeg["gripper"] > 0.99
    assert video["smaller"] > 20 and 0 < video["position_mm"][0] < 0.4 and video["position_mm"][1] < 4.0
    assert video["rotation_mrad"][1] < 2.0 and video["gripper"] > 0.99


def test_the_figures_page_shows_it(tmp_path, monkeypatch):
    kept = {"smaller": 11.46, "position_mm": (0.071, 0.707), "rotation_mrad": (0.006, 0.127)}
    asked = []
    monkeypatch.setattr(
        "vla_bench.packing.bench.packing_bench", lambda *_, **more: asked.append(more["noise"]) or {"jpeg, quality 90": kept}
    )
    measured = evidence_bench.measure_part("packing", str(CARD), str(CHECKPOINT), tmp_path, None)
    assert asked == [0.0, NOISE] and "packing" in cli_bench.EVIDENCE
    path = tmp_path / "results.json"
    path.write_text(json.dumps(measured))
    lines = figures._evidence(figures.read(path, "vla bench"))
    words = "11 times smaller, a replay's steps off by at most 0.71 mm and 0.13 mrad"
    assert f"| images of a bag as jpeg, quality 90 | {words} |" in lines
