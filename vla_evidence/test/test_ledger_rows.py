"""The ledger's core: parts that add up, chunks accounted for, clocks that cannot be compared."""

from dataclasses import replace

import numpy as np
import pytest
from ledger_samples import MS, RUN, Times, book, lost_report, make_brake, make_chunk, make_reports, normal

from vla_bench.bench import graph_figures
from vla_contract.report import Verdict
from vla_evidence.ledger.builder import LedgerBuilder
from vla_evidence.ledger.row import CLOCKS_DISAGREE, HOSTS_DIFFER, WALL_PARTS
from vla_evidence.ledger.statistics import percentiles_ms


def test_parts_are_what_happened_and_add_up_to_the_nanosecond(card):
    rng = np.random.default_rng(1)
    truth = [Times().draw(rng) for _ in range(50)]
    ledger = book(card, *(normal(card, k, times) for k, times in enumerate(truth)))
    for line, times in zip(ledger.lines(), truth, strict=True):
        row = line.row
        before_lead = times.receipt + times.wait + times.inference + times.transport + times.planning
        assert row.parts == {
            "camera_to_receipt": times.receipt, "wait": times.wait, "inference": times.inference,
            "transport": times.transport, "planning": times.planning, "lead": times.executed - before_lead,
        }  # fmt: skip
        assert row.wholes == {
            "camera_to_controller": before_lead - times.planning, "camera_to_trajectory": before_lead,
            "camera_to_actuation": times.executed,
        }  # fmt: skip
        assert sum(row.parts.values()) == row.wholes["camera_to_actuation"] and row.error_ns == 0
        start = times.receipt + times.wait
        assert row.ages == {
            card.cameras[0].name: start, card.cameras[1].name: start + 8 * MS, "joint_states": start - MS
        }  # fmt: skip
    content = ledger.as_dict()["overall"]
    assert content["identity"] == {"rows": 50, "largest_error_ns": 0}
    assert content["ledger_share"] == 1.0 and content["same_host"] is True and content["time"] == "wall"
    means = sum(content["parts"][name]["mean_ms"] for name in WALL_PARTS)
    assert means == pytest.approx(content["wholes"]["camera_to_actuation"]["mean_ms"], abs=1e-3)
    assert sum(part["share"] for part in content["parts"].values()) == pytest.approx(1.0, abs=1e-5)


def test_the_figures_of_the_bench_are_the_same(card):
    rng = np.random.default_rng(2)
    told = [normal(card, k, Times().draw(rng)) for k in range(30)]
    figures = graph_figures(card, [(c.inference_end_steady_ns, c) for c, _ in told], [(0, r) for _, rs in told for r in rs])
    ledger = book(card, *told)
    planning = ledger.as_dict()["overall"]["parts"]["planning"]
    assert figures["chunk_to_trajectory"]["p99_ms"] == pytest.approx(planning["p99_ms"], abs=0.01)
    rows = [line.row for line in ledger.lines()]
    overhead = percentiles_ms([row.wholes["camera_to_trajectory"] - row.parts["inference"] for row in rows])
    assert figures["overhead"]["p50_ms"] == pytest.approx(overhead["p50_ms"], abs=0.01)
    whole = ledger.as_dict()["overall"]["wholes"]["camera_to_controller"]
    assert figures["camera_to_chunk"]["p99_ms"] == pytest.approx(whole["p99_ms"], abs=0.01)
    assert figures["camera_to_chunk"]["count"] == 30 and 0 < figures["camera_to_chunk"]["model_share"] < 1


def test_refused_lost_superseded_and_brakes_are_accounted_for_by_their_verdict(card):
    builder = LedgerBuilder(card)
    verdicts = [Verdict.ACCEPTED, Verdict.STALE, Verdict.SUPERSEDED, Verdict.ACCEPTED, Verdict.INFEASIBLE]
    for k, verdict in enumerate(verdicts):
        chunk = make_chunk(card, k)
        builder.on_chunk(chunk, chunk.stamp_ns)
        for report in make_reports(chunk, verdict=verdict):
            builder.on_report(report)
    builder.on_report(lost_report(5))
    brake = make_brake(card, 6)
    builder.on_chunk(brake, brake.stamp_ns)
    for report in make_reports(brake, verdict=Verdict.BRAKE):
        builder.on_report(report)
    overall = builder.ledger().as_dict()["overall"]
    assert overall["verdicts"] == {
        "ACCEPTED": 2, "BRAKE": 1, "STALE": 1, "INFEASIBLE": 1, "SUPERSEDED": 1, "LOST": 1,
    }  # fmt: skip
    assert (overall["sent"], overall["accounted"], overall["complete"], overall["told_by_verdict"]) == (7, 7, 2, 5)
    assert overall["ledger_share"] == 1.0 and overall["unaccounted"] == []
    assert overall["parts"]["planning"]["count"] == 3, "a superseded chunk was planned, too"
    assert overall["parts"]["lead"]["count"] == 2
    assert overall["missing"] == {} and overall["unknown"] == {}


def test_what_is_not_accounted_for_is_named_with_the_reason(card):
    builder = LedgerBuilder(card)
    for k in (0, 1, 2, 3, 6):
        chunk = make_chunk(card, k, **({"image_receipt_steady_ns": 0} if k == 3 else {}))
        builder.on_chunk(chunk, chunk.stamp_ns)
        reports = make_reports(chunk)
        for report in {1: [], 2: reports[:1]}.get(k, reports):
            builder.on_report(report)
    builder.on_report(make_reports(make_chunk(card, 7))[1])
    overall = builder.ledger().as_dict()["overall"]
    assert {one["sequence"]: one["why"] for one in overall["unaccounted"]} == {
        1: "no report",
        2: "never closed",
        3: "missing: image_receipt_steady_ns",
        4: "to 5: neither chunk nor report was heard",
        7: "reported, the chunk itself was not heard",
    }
    assert all(one["run_id"] == RUN for one in overall["unaccounted"])
    assert (overall["sent"], overall["accounted"], overall["unheard"]) == (8, 2, 2)
    assert overall["ledger_share"] == 0.25 and overall["unaccounted_count"] == 6
    assert overall["missing"] == {"image_receipt_steady_ns": 1, "report CLOSED": 2, "report SCHEDULED": 1}
    assert overall["unknown"]["wait"] == {"a stamp is missing": 1}
    assert overall["verdicts"] == {"ACCEPTED": 4, "none": 2}


def test_a_dry_run_publishes_no_trajectory_and_the_ledger_says_so(card):
    chunk = make_chunk(card, 0)
    content = book(card, (chunk, make_reports(chunk, published_steady_ns=0))).as_dict()
    assert content["overall"]["missing"] == {"published_steady_ns": 1}
    assert content["overall"]["parts"]["planning"]["count"] == content["overall"]["parts"]["lead"]["count"] == 0
    assert content["overall"]["parts"]["transport"]["p50_ms"] == 2.0 and content["overall"]["ledger_share"] == 0.0
    assert any("ran dry" in note for note in content["notes"])


@pytest.mark.parametrize(
    "offset_s", [-86_400.0, 5_000.0, 0.8], ids=["booted later", "booted earlier", "booted together"]
)
def test_steady_stamps_of_two_hosts_are_not_compared(card, offset_s):
    times = Times(other_host=int(offset_s * 1e9))
    content = book(card, *(normal(card, k, times) for k in range(6))).as_dict()
    overall = content["overall"]
    assert overall["same_host"] is False and overall["complete"] == 0 and overall["ledger_share"] == 0.0
    assert set(overall["unknown"]) == {"transport", "lead", "camera_to_controller", "camera_to_trajectory"}
    assert all(why == {HOSTS_DIFFER: 6} for why in overall["unknown"].values())
    known = {name: figures["p50_ms"] for name, figures in overall["parts"].items()}
    assert known == {
        "camera_to_receipt": 4.0, "wait": 3.0, "inference": 25.0, "transport": None, "planning": 6.0, "lead": None
    }  # fmt: skip
    assert overall["wholes"]["camera_to_actuation"]["p50_ms"] == 200.0, "by node stamps alone"
    assert any("share no steady clock" in note for note in content["notes"])


def test_one_odd_transport_does_not_make_two_hosts(card):
    told = [normal(card, k) for k in range(6)]
    told[2] = normal(card, 2, Times(other_host=-500 * MS))
    overall = book(card, *told).as_dict()["overall"]
    assert overall["same_host"] is True and overall["complete"] == 5
    assert overall["unknown"]["transport"] == {CLOCKS_DISAGREE: 1}
    (one,) = overall["unaccounted"]
    assert one["sequence"] == 2
    lacking = ("transport", "camera_to_controller", "camera_to_trajectory", "lead")
    assert one["why"] == "; ".join(f"{name}: {CLOCKS_DISAGREE}" for name in lacking)


@pytest.mark.parametrize("lost", ["reports", "stamp"])
def test_chunks_whose_way_to_the_controller_nobody_timed_do_not_make_two_hosts(card, lost):
    """Most of a run: of those left, the one with both stamps says that the clock is one."""
    told = [normal(card, k, **({"inference_end_steady_ns": 0} if lost == "stamp" and k else {})) for k in range(5)]
    if lost == "reports":
        told[1:] = [(chunk, []) for chunk, _ in told[1:]]
    overall = book(card, *told).as_dict()["overall"]
    assert overall["same_host"] is True and overall["complete"] == 1
    assert overall["unknown"]["transport"] == {"a stamp is missing": 4}


def test_a_node_clock_set_back_makes_its_parts_unknown_and_no_others(card):
    overall = book(card, normal(card, 0), normal(card, 1, Times(set_back=3_000 * MS)), normal(card, 2)).as_dict()[
        "overall"
    ]
    assert set(overall["unknown"]) == {
        "camera_to_receipt", "camera_to_controller", "camera_to_trajectory", f"age of {card.cameras[0].name}",
        f"age of {card.cameras[1].name}",
        "age of joint_states",
    }  # fmt: skip
    assert (
        overall["parts"]["camera_to_receipt"]["count"] == 2 and overall["parts"]["camera_to_receipt"]["max_ms"] == 4.0
    )
    assert overall["parts"]["inference"]["count"] == overall["parts"]["transport"]["count"] == 3
    assert overall["ages"]["joint_states"]["count"] == 2
    assert overall["identity"] == {"rows": 2, "largest_error_ns": 0}


def test_by_how_much_a_node_clock_was_set_is_said_to_a_tenth_of_a_millisecond(card):
    (line,) = book(card, normal(card, 0, Times(set_back=3_600_000 * MS))).lines()
    assert line.row.unknown["camera_to_receipt"].startswith("-3599996.0 ms: ")


def test_a_node_clock_set_during_inference_leaves_the_lead_unknown(card):
    chunk, reports = normal(card, 0)
    chunk = replace(chunk, inference_end_ns=chunk.inference_end_ns - 60 * MS)
    overall = book(card, (chunk, [replace(r, stamp_ns=r.stamp_ns - 60 * MS) for r in reports])).as_dict()["overall"]
    assert set(overall["unknown"]) == {"lead"} and overall["parts"]["camera_to_receipt"]["count"] == 1


@pytest.mark.parametrize(
    ("late_ms", "why"), [(6, "-6.0 ms: published after its first step"), (120, "-120.0 ms: the node clock was set")]
)
def test_a_trajectory_that_is_published_too_late_is_told_as_that_and_not_as_a_clock_that_was_set(card, late_ms, why):
    times = Times()
    chunk, reports = normal(card, 0, times)
    lead = times.executed - (times.receipt + times.wait + times.inference + times.transport + times.planning)
    moved = [replace(r, published_steady_ns=r.published_steady_ns + lead + late_ms * MS) for r in reports]
    (line,) = book(card, (chunk, moved)).lines()
    assert line.row.unknown["lead"].startswith(why)


def in_simulated_time(card, sequence, run=RUN):
    """A chunk of a simulation at a quarter of real time: node stamps from 0 on, in steps of 10 ms."""
    stamp = (1_000 + 400 * sequence) * MS
    times = Times()
    chunk = make_chunk(
        card, sequence, run=run, stamp_ns=stamp, image_stamps_ns=(stamp, stamp), state_stamp_ns=stamp,
        inference_start_ns=stamp + 10 * MS, inference_end_ns=stamp + 20 * MS,
    )  # fmt: skip
    steady = chunk.inference_end_steady_ns + times.transport
    reports = make_reports(
        chunk, received_steady_ns=steady, published_steady_ns=steady + 6 * MS, stamp_ns=stamp + 20 * MS
    )
    return chunk, reports


def test_simulated_time_is_never_mixed_with_the_wall(card):
    brakes = [(brake := make_brake(card, k), make_reports(brake, verdict=Verdict.BRAKE)) for k in range(4, 9)]
    content = book(card, *(in_simulated_time(card, k) for k in range(4)), *brakes).as_dict()
    overall = content["overall"]
    assert overall["time"] == "simulated" and overall["ledger_share"] == 1.0 and overall["verdicts"]["BRAKE"] == 5
    assert {name: figures["p50_ms"] for name, figures in overall["parts"].items()} == {
        "camera_to_inference": 10.0, "inference": 10.0, "transport": 0.0, "received_to_actuation": 180.0,
    }  # fmt: skip
    assert overall["wholes"]["camera_to_actuation"]["p50_ms"] == 200.0
    assert overall["wholes"]["camera_to_trajectory"]["count"] == 0
    assert overall["identity"] == {"rows": 4, "largest_error_ns": 0}
    assert {name: figures["p50_ms"] for name, figures in overall["steady"].items()} == {
        "wait": 3.0, "inference": 25.0, "transport": 2.0, "planning": 6.0,
    }  # fmt: skip
    assert any("simulated time" in note for note in content["notes"])


def test_a_clock_topic_that_stamps_the_chunks_means_simulated_time_whatever_its_epoch(card):
    builder = LedgerBuilder(card)
    told = [normal(card, k) for k in range(3)]
    for chunk, reports in told:
        builder.on_clock(chunk.inference_start_ns)
        builder.on_chunk(chunk, chunk.stamp_ns)
        for report in reports:
            builder.on_report(report)
    assert builder.ledger().as_dict()["overall"]["time"] == "simulated"
    other = normal(card, 0, run="f" * 32)
    builder.on_chunk(other[0], other[0].stamp_ns)
    builder.on_report(other[1][0])
    content = builder.ledger().as_dict()
    assert [run["time"] for run in content["runs"]] == ["simulated", "simulated"], "stamped by the same clock"


def test_runs_stand_apart_and_together(card):
    other = "e" * 32
    content = book(
        card, normal(card, 0), normal(card, 1), in_simulated_time(card, 9), normal(card, 0, run=other),
        (make_brake(card, 1, other), make_reports(make_brake(card, 1, other), verdict=Verdict.BRAKE)),
    ).as_dict()  # fmt: skip
    assert [(run["run_id"], run["sent"]) for run in content["runs"]] == [(RUN, 10), (other, 2)]
    assert content["overall"]["sent"] == 12 and content["runs"][1]["ledger_share"] == 1.0


def test_runs_in_wall_time_and_in_simulated_time_are_not_thrown_together(card):
    simulated = [in_simulated_time(card, k, "d" * 32) for k in range(3)]
    content = book(card, normal(card, 0), normal(card, 1), *simulated).as_dict()
    assert content["overall"]["time"] == "mixed" and [run["time"] for run in content["runs"]] == ["wall", "simulated"]
    assert content["overall"]["parts"]["inference"]["count"] == 2 and content["overall"]["ledger_share"] == 1.0
    assert content["overall"]["complete"] == 5 and content["overall"]["identity"]["rows"] == 2
    assert any("some runs are in simulated time" in note for note in content["notes"])
