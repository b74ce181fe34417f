"""Tables on terminals of several widths: what is shown is shown whole, and what is not is named."""

import io

import pytest
from ledger_samples import book, normal
from rich.console import Console

from vla_evidence.console import Console as VlaConsole
from vla_evidence.fitted_table import FittedTable
from vla_evidence.ledger.table import WORDS, cadence_table, parts_table, render
from vla_evidence.rows.rows import EpisodeRow
from vla_evidence.rows.show import episode_table


def drawn(renderable, width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()


def table() -> FittedTable:
    made = FittedTable("Runs [s]")
    for heading, rank in (("name", 0), ("first", 1), ("second", 2), ("third", 0)):
        made.add_column(heading, right=heading != "name", rank=rank)
    made.add_row("a_long_name_of_one_word", "1.25", "22.5", "333")
    return made


@pytest.mark.parametrize(("width", "gone"), [(52, []), (51, ["second"]), (40, ["first", "second"]), (10, ["first", "second"])])
def test_columns_of_the_highest_rank_go_first_and_are_named(width, gone):
    text = drawn(table(), width)
    assert ("not shown" in text) == bool(gone)
    if width > 10:
        assert "a_long_name_of_one_word" in text and "333" in text
        assert [name for name in ("first", "second") if name not in text.split("not shown")[0]] == gone
        assert all(name in " ".join(text.split()) for name in gone)


def test_a_row_has_a_cell_for_each_column():
    with pytest.raises(ValueError, match="1 cells in a table of 4"):
        table().add_row("alone")


def test_the_ledger_is_readable_at_eighty_columns(card):
    text = drawn(render(book(card, *[normal(card, k) for k in range(5)]).as_dict()), 80)
    assert all(len(line) <= 80 for line in text.splitlines()) and "…" not in text
    borders = [line for line in text.splitlines() if line[:1] in "┏┡├└┃│"]
    assert borders and all(line[-1] in "┓┩┤┘┃│" for line in borders), "a right border everywhere"
    for words in (WORDS["camera_to_receipt"], WORDS["lead"], WORDS["camera_to_actuation"], card.camera_names[0]):
        assert f" {words} " in text, "not broken over lines"


def headings(made: FittedTable, width: int) -> list[str]:
    _, heading, *_ = [line for line in drawn(made, width).splitlines() if "┃" in line or "┏" in line]
    return [words.strip() for words in heading.strip("┃").split("┃")]


@pytest.mark.parametrize(
    ("shown", "narrowest", "order", "kept"),
    [
        ("overall", 59, ["share of the whole", "chunks", "p95"], ["part", "p50", "p99", "max"]),
        ("cadence", 50, ["p99", "p95", "messages", "p50", "absent", "late", "expected"],
         ["stream", "rate [Hz]", "max", "allowed"]),
    ],
)  # fmt: skip
def test_the_figures_of_a_ledger_that_tell_most_are_the_last_to_go(card, shown, narrowest, order, kept):
    content = book(card, *[normal(card, k) for k in range(5)]).as_dict()[shown]
    made = parts_table(content) if shown == "overall" else cadence_table(content)
    widest = headings(made, 200)
    gone = []
    for width in range(199, narrowest, -1):
        gone += [name for name in widest if name not in headings(made, width) and name not in gone]
    assert gone == order and [name for name in widest if name not in gone] == kept


def rows(made: FittedTable) -> list[list[str]]:
    lines = [line.strip("│").split("│") for line in drawn(made, 200).splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in cells] for cells in lines]


def test_figures_of_a_ledger_are_rounded_to_what_can_be_read():
    interval = {"count": 477, "p50_ms": 33.32, "p95_ms": 34.56, "p99_ms": 36.78, "max_ms": 99.94}
    front = {"messages": 478, "rate_hz": 29.876, "expected_hz": 30.0, "interval": interval, "limit_ms": 250.4,
             "beyond_limit": 0, "late": 3, "absent": 2}  # fmt: skip
    mute = {**front, "interval": dict.fromkeys(interval), "rate_hz": None, "expected_hz": None, "limit_ms": None, "late": None}
    assert rows(cadence_table({"front": front, "mute": mute})) == [
        ["front", "478", "29.88", "30.00", "33.3", "34.6", "36.8", "99.9", "250", "3", "2"],
        ["mute", "478", *[""] * 8, "2"],
    ]
    section = {"time": "wall", "verdicts": {"ACCEPTED": 470, "STALE": 7}, "ages": {"wrist": interval}, "steady": {}}
    section |= {"parts": {"wait": {**interval, "share": 0.2749}}, "wholes": {"camera_to_actuation": interval}}
    figures = ["477", "33.3", "34.6", "36.8", "99.9"]
    assert rows(parts_table(section)) == [
        [WORDS["wait"], *figures, f"{'█' * 5:<20}  27.5%"],
        [WORDS["camera_to_actuation"], *figures, ""],
        ["age of wrist at inference", *figures, ""],
    ]


def test_episodes_are_readable_at_eighty_columns():
    episode = EpisodeRow(
        run_id="ab" * 16, episode=12, task="pick", seed=None, instruction="pick up the red block", outcome="FAILURE",
        outcome_source="OPERATOR", label="OUT_OF_WORKSPACE",
    )  # fmt: skip
    text = drawn(episode_table([episode]), 80)
    assert all(len(line) <= 80 for line in text.splitlines()) and "…" not in text
    assert "abababab" in text and "FAILURE" in text and "latency" in text.split("not shown")[1]
    _, heading, _, row, *_ = drawn(episode_table([episode]), 160).splitlines()
    assert "latency" in heading and heading.split("┃")[1:3] == [" episode ", " run      "]
    assert row.split("│")[1:3] == ["      12 ", " abababab "], "numbers on the right, names on the left"


def test_a_terminal_that_says_it_has_no_columns_is_shown_something(monkeypatch):
    monkeypatch.setenv("COLUMNS", "0")
    console = VlaConsole(file=io.StringIO())
    console.print(table())
    assert "a_long_name_of_one_word" in console.file.getvalue()
