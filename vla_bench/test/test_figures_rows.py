"""Rows of the README's figures that are kept, or that results of earlier runs lack."""

import json

import pytest

from vla_bench.figures import Figures, FiguresError, _controller

FUZZ = {"chunks": 20_000, "acceptable_share": 0.67, "violations": 0, "exceptions": 0, "unreported": 0}
SEAM = {
    "changes": 1000, "position_rad": 4e-16, "velocity_rad_s": 6e-15, "jerk_ratio_to_baseline": 0.037,
    "tool_error_mm_p95": 1.3, "tool_rotation_deg_p95": 0.5, "tool_lag_ms_p95": 1.0,
}  # fmt: skip


def rows(tmp_path, results: dict) -> list[str]:
    """Rows from results of `vla bench`, with `tmp_path` as the folder of kept figures."""
    return _controller(Figures(results, tmp_path / "results.json", lambda _: "vla bench"), tmp_path)


def test_the_long_fuzz_that_is_kept_stands_in_the_table_with_its_date(tmp_path):
    kept = {"date": "2026-11-21", "machine": {}, "figures": FUZZ | {"chunks": 1_002_382}}
    (tmp_path / "fuzz_long.json").write_text(json.dumps(kept))
    first, second = rows(tmp_path, {"fuzz": FUZZ})[2:4]
    assert first.startswith("| long fuzz of 2026-11-21: 1,002,382 random chunks") and second.startswith("| fuzz: 20,000 ")


def test_a_long_fuzz_that_was_just_measured_stands_there_where_none_is_kept(tmp_path):
    assert rows(tmp_path, {"fuzz_long": FUZZ})[2].startswith("| long fuzz: 20,000 ")
    assert not any("fuzz" in row for row in rows(tmp_path, {"stop_ms": 9.0}))


def test_a_kept_file_that_is_damaged_names_itself_and_the_command(tmp_path):
    (tmp_path / "fuzz_long.json").write_text(json.dumps({"date": "2026-11-21", "figures": {}}))
    with pytest.raises(FiguresError, match=r"fuzz_long.json: no figures.chunks; `vla bench --only fuzz --long` measures it"):
        rows(tmp_path, {})


def test_the_jerk_stands_there_against_both_baselines_the_kinder_one_first(tmp_path):
    jerk = [row for row in rows(tmp_path, {"seam": SEAM | {"jerk_ratio_to_kind_baseline": 0.4567}}) if "RMS jerk" in row]
    assert len(jerk) == 2 and "without points due within 50 ms | 0.457 |" in jerk[0] and jerk[1].endswith("| 0.037 |")


def test_results_without_the_kinder_baseline_still_make_a_table(tmp_path):
    jerk = [row for row in rows(tmp_path, {"seam": SEAM}) if "RMS jerk" in row]
    assert len(jerk) == 1 and jerk[0].endswith("| 0.037 |")
