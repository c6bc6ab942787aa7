"""Tables of figures: what is printed, what is written, and what the command ends with."""

import csv
import json

import pytest
import typer

from trajflow.bench.figures import Figure
from trajflow.cli.bench.reporting import read_parts, report
from trajflow.errors import RequestError

REACHED = Figure("a walk", "under 1 h", "0.5 h", True, {"hours": 0.5})
MISSED = Figure("a climb", "under 1 h", "2 h, in rain", False, {"hours": 2})


def test_what_is_missed_ends_the_command_with_one(capsys):
    report(iter([REACHED]), None)
    with pytest.raises(typer.Exit) as ended:
        report(iter([REACHED, MISSED]), None)
    assert ended.value.exit_code == 1
    shown = capsys.readouterr()
    assert "| a climb" in shown.out
    assert "1 of 2 figures are not reached." in shown.err


def test_the_table_is_written_as_csv_and_as_json(tmp_path):
    with pytest.raises(typer.Exit):
        report(iter([REACHED, MISSED]), tmp_path / "new" / "rows.csv")
    with (tmp_path / "new" / "rows.csv").open() as file:
        assert list(csv.reader(file))[2] == ["a climb", "under 1 h", "2 h, in rain", "no"]
    report(iter([REACHED]), tmp_path / "rows.json")
    told = json.loads((tmp_path / "rows.json").read_text())
    assert told["figures"][0]["numbers"] == {"hours": 0.5}
    assert told["threads"] >= 1


def test_parts_are_named_or_all():
    assert read_parts(None, ("a", "b")) == ("a", "b")
    assert read_parts("b", ("a", "b")) == ("b",)
    with pytest.raises(RequestError, match="no part 'c'"):
        read_parts("a, c", ("a", "b"))


def test_a_part_that_cannot_run_takes_nothing_from_those_before_it(tmp_path, capsys):
    def parts():
        yield REACHED
        raise RequestError("There is no server here.")

    with pytest.raises(RequestError):
        report(parts(), tmp_path / "rows.json")
    assert REACHED.what in capsys.readouterr().out
    assert REACHED.what in (tmp_path / "rows.json").read_text()
