"""The ledger's collecting side: copies, windows, cadence, bytes, and mistakes."""

import pytest
from ledger_samples import MS, PERIOD, T0, book, make_chunk, make_reports, normal

from vla_contract.card import parse_card
from vla_contract.report import Verdict
from vla_evidence.ledger.builder import LedgerBuilder
from vla_evidence.ledger.cadence import Cadence
from vla_evidence.ledger.stamps import LedgerError, header_stamp_ns
from vla_evidence.ledger.statistics import histogram_ms, percentiles_ms


def test_percentiles_of_known_samples():
    figures = percentiles_ms([k * MS for k in range(101)])
    assert figures == {"count": 101, "p50_ms": 50.0, "p95_ms": 95.0, "p99_ms": 99.0, "max_ms": 100.0, "mean_ms": 50.0}
    assert percentiles_ms([])["p50_ms"] is None and percentiles_ms([])["count"] == 0
    histogram = histogram_ms([k * MS for k in range(101)], bins=10)
    assert histogram["edges_ms"] == list(range(0, 111, 11)) and histogram["counts"] == [11] * 9 + [2]
    assert histogram_ms([7 * MS]) == {"edges_ms": [7, 8], "counts": [1]}


def test_a_second_copy_of_a_chunk_and_its_refusal_leave_the_first_alone(card):
    builder = LedgerBuilder(card)
    chunk, reports = normal(card, 0)
    refusals = make_reports(chunk, verdict=Verdict.OUT_OF_ORDER)
    for heard in (chunk, chunk):
        builder.on_chunk(heard, heard.stamp_ns)
    for report in (reports[0], *refusals, reports[1]):
        builder.on_report(report)
    overall = builder.ledger().as_dict()["overall"]
    assert overall["verdicts"] == {"ACCEPTED": 1} and overall["ledger_share"] == 1.0 and overall["copies"] == 3


def test_reports_may_be_heard_before_their_chunk(card):
    builder = LedgerBuilder(card)
    chunk, reports = normal(card, 0)
    for report in reports:
        builder.on_report(report)
    builder.on_chunk(chunk, chunk.stamp_ns)
    content = builder.ledger().as_dict()
    assert content["overall"]["complete"] == 1
    assert content["seconds"] == 0.0, "nobody says when the reports were heard"


def test_a_live_window_is_bounded_and_leaves_out_what_is_in_flight(card):
    builder = LedgerBuilder(card, window_ns=10_000 * MS)
    builder.on_report(make_reports(make_chunk(card, 99, run="a" * 32))[1], T0)
    for k in range(300):
        chunk, reports = normal(card, k)
        builder.on_chunk(chunk, chunk.stamp_ns)
        builder.on_report(reports[0], chunk.stamp_ns + 50 * MS)
        if k >= 5:
            late = make_reports(make_chunk(card, k - 5))[1]
            builder.on_report(late, chunk.stamp_ns + 60 * MS)
            builder.on_report(late, chunk.stamp_ns + 60 * MS)  # a copy of the end of one
        for camera in card.cameras:
            builder.on_image(camera.name, chunk.stamp_ns, chunk.stamp_ns)
        builder.on_joint_state(chunk.stamp_ns, chunk.stamp_ns)
        assert builder.chunks <= 27
    content = builder.ledger(now_ns=T0 + 299 * 4 * PERIOD + 70 * MS).as_dict()
    overall = content["overall"]
    assert overall["in_flight"] == 5 and overall["sent"] == 20 and overall["ledger_share"] == 1.0
    assert content["cadence"]["chunks"]["interval"]["count"] <= 26 and len(content["runs"]) == 1
    overall = builder.ledger(now_ns=T0 + 299 * 4 * PERIOD + 3_500 * MS).as_dict()["overall"]
    assert overall["in_flight"] == 0 and overall["unaccounted_count"] == 5


def test_cadence_against_the_card(card):
    builder = LedgerBuilder(card)
    front = card.cameras[0].name
    frames = [k for k in range(90) if k not in (30, 31, 60)]
    for k in frames:
        builder.on_image(front, T0 + k * 1_000_000_000 // 30, T0)
    for k in range(100):
        builder.on_joint_state(T0 + k * 10 * MS + (400 * MS if k > 50 else 0), T0)
    for k in range(10):
        chunk = make_chunk(card, k)
        builder.on_chunk(chunk, chunk.stamp_ns)
    restart = make_chunk(card, 50, run="c" * 32)
    builder.on_chunk(restart, restart.stamp_ns)
    cadence = builder.ledger().as_dict()["cadence"]
    assert cadence[front]["expected_hz"] == pytest.approx(card.cameras[0].rate)
    assert (cadence[front]["late"], cadence[front]["absent"], cadence[front]["beyond_limit"]) == (2, 3, 0)
    assert cadence[front]["interval"]["p50_ms"] == pytest.approx(33.333, abs=0.01)
    assert cadence["joint_states"]["expected_hz"] is None and cadence["joint_states"]["beyond_limit"] == 1
    assert cadence["joint_states"]["interval"]["max_ms"] == 410.0
    chunks = cadence["chunks"]
    assert chunks["expected_hz"] == 2.5 and chunks["interval"]["count"] == 9 and chunks["interval"]["max_ms"] == 400.0
    assert cadence[card.cameras[1].name]["messages"] == 0 and cadence[card.cameras[1].name]["rate_hz"] is None


def test_stamps_that_stand_still_or_go_back_are_counted():
    cadence = Cadence(expected_ns=10 * MS)
    for stamp in (0, 10, 10, 20, 5, 15):
        cadence.add(stamp * MS, 0)
    told = cadence.as_dict()
    assert (told["messages"], told["repeated"], told["set_back"]) == (6, 1, 1)
    assert told["interval"]["count"] == 3 and told["interval"]["max_ms"] == 10.0


def test_an_interval_as_long_as_the_card_bears_is_not_beyond_it():
    cadence = Cadence(expected_ns=10 * MS, limit_ns=30 * MS)
    for stamp in (0, 10, 40, 71):
        cadence.add(stamp * MS, 0)
    told = cadence.as_dict()
    assert (told["limit_ms"], told["beyond_limit"], told["late"]) == (30.0, 1, 2)


def test_a_live_listener_books_the_first_chunk_that_it_hears_and_none_before(card):
    builder = LedgerBuilder(card, window_ns=10_000 * MS)
    before, chunk = (make_chunk(card, k) for k in (6, 7))
    builder.on_chunk(chunk, chunk.stamp_ns)
    for report in (*make_reports(before), *make_reports(chunk)):
        builder.on_report(report, chunk.stamp_ns + 50 * MS)
    overall = builder.ledger().as_dict()["overall"]
    assert (overall["sent"], overall["complete"], overall["verdicts"]) == (1, 1, {"ACCEPTED": 1})


def test_the_time_that_was_heard_is_told_to_the_millisecond(card):
    builder = LedgerBuilder(card)
    for heard_ns in (T0, T0 + 12_345_678_900):
        builder.on_image(card.camera_names[0], T0, heard_ns)
    assert builder.ledger().as_dict()["seconds"] == 12.346


def test_a_chunk_that_says_no_time_of_inference_is_not_in_simulated_time(card):
    chunk, reports = normal(card, 0, inference_start_ns=0, inference_end_ns=0)
    assert book(card, (chunk, reports)).as_dict()["overall"]["time"] == "wall"


def test_without_a_card_the_policy_names_the_cameras_or_nobody_does(card):
    overall = book(None, normal(card, 0)).as_dict()
    assert list(overall["overall"]["ages"]) == ["camera 0", "camera 1", "joint_states"] and overall["card"] is None
    assert overall["cadence"]["chunks"]["expected_hz"] is None
    assert list(overall["cadence"]) == ["chunks"], "nobody listened to joint states: they are not 'none heard'"
    builder = LedgerBuilder(None)
    builder.on_policy_info(["left", "right"])
    builder.on_chunk(make_chunk(card, 0), 0)
    assert list(builder.ledger().as_dict()["overall"]["ages"]) == ["left", "right", "joint_states"]
    builder = LedgerBuilder(card)
    builder.on_policy_info(["left", "right"])
    builder.on_chunk(make_chunk(card, 0), 0)
    assert list(builder.ledger().as_dict()["overall"]["ages"]) == [*card.camera_names, "joint_states"]


def test_header_stamps_are_read_from_bytes():
    little = b"\x00\x01\x00\x00" + (7).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"rest"
    big = b"\x00\x00\x00\x00" + (-1).to_bytes(4, "big", signed=True) + (999_999_999).to_bytes(4, "big")
    assert header_stamp_ns(little) == 7_000_000_005 and header_stamp_ns(big) == -1
    with pytest.raises(LedgerError, match="0x0003"):
        header_stamp_ns(b"\x00\x03" + little[2:])
    with pytest.raises(LedgerError, match="11 bytes"):
        header_stamp_ns(little[:11])


def test_mistakes_are_named(card):
    with pytest.raises(LedgerError, match=f"camera 'side' is not in the card; it has {card.cameras[0].name}"):
        LedgerBuilder(card).on_image("side", T0, T0)
    with pytest.raises(LedgerError, match="replan_steps is 0"):
        LedgerBuilder(card, replan_steps=0)


def test_a_source_of_the_state_has_a_cadence_of_its_own(card):
    content = card.to_dict()
    content["state"]["sources"] = [{"topic": "/ft/wrench", "type": "wrench", "name": "wrist", "max_age": 0.03}]
    builder = LedgerBuilder(parse_card(content))
    for k in range(6):
        builder.on_joint_state(T0 + k * 10 * MS, T0 + k * 10 * MS, card.state.topic)
        if k % 2:
            builder.on_joint_state(T0 + k * 20 * MS, T0 + k * 20 * MS, "/ft/wrench")
    cadence = builder.ledger().as_dict()["cadence"]
    assert cadence["joint_states"]["messages"] == 6 and cadence["/ft/wrench"]["messages"] == 3
    assert cadence["/ft/wrench"]["interval"]["p50_ms"] == 40.0 and cadence["joint_states"]["interval"]["p50_ms"] == 10.0
    with pytest.raises(LedgerError, match="camera '/ft/wrench' is not in the card"):
        builder.on_image("/ft/wrench", T0, T0)
