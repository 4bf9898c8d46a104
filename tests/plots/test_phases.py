"""A measured run as a picture: its numbers are the comparison's."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from made_records import make_record
from pages import Page

from anatomy.documents.charts_of import phase_levels
from anatomy.documents.document import Document, Section, Table
from anatomy.documents.signed import signed_share
from anatomy.errors import AnatomyError
from anatomy.memory.timeline import Timeline
from anatomy.plots import picture
from anatomy.profiling.record import save
from anatomy.render import render
from anatomy.validation.comparison import compare


def texts(svg: bytes) -> list[str]:
    root = ET.fromstring(svg)
    return ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]


def test_it_has_the_comparisons_phases():
    record = make_record("cuda")
    chart, comparison = phase_levels(record), compare(record)
    assert chart.rows == comparison.phases
    assert chart.to_dict()["phases"] == comparison.to_dict()["phases"]
    assert chart.what == "allocated"
    peak = comparison.peak("allocated")
    assert chart.highest.highest.measured_bytes == peak.measured_bytes
    assert f"({signed_share(peak.error)}), in backward of step" in chart.words


def test_the_picture_says_every_error_and_names_both_sides():
    chart = phase_levels(make_record("cuda"))
    found = texts(picture(chart, "svg"))
    assert {"measured, at most", "predicted, at most", "when the phase ended", "allocated (MiB)"} <= {*found}
    assert {"load", "forward", "backward", "step 1", "step 2"} <= {*found}
    errors = [signed_share(row.highest.error) for row in chart.rows]
    assert "-1.96 %" in errors
    assert [text for text in found if text.endswith(" %")] == errors


def test_on_the_cpu_it_is_what_was_requested():
    assert phase_levels(make_record("cpu")).what == "requested"


def test_nothing_measured_is_nothing_to_draw():
    record = make_record("cpu")
    empty = Timeline(blocks=(), trace=(), marks=())
    measurement = replace(record.measurement, observed=empty, phases=())
    with pytest.raises(AnatomyError, match="nothing to draw"):
        phase_levels(replace(record, measurement=measurement))


def test_the_page_has_every_number():
    chart = phase_levels(make_record("cuda"))
    section = Section(name="phases", title="Phases", blocks=(chart,))
    document = Document(title="t", blocks=(section,), table=Table(columns=(), rows=()))
    table = Page(render(document, "html")).named(chart.title)
    for row, cells in zip(chart.rows, table.rows, strict=True):
        expected = [n for f in (row.highest, row.end) for n in (f.measured_bytes, f.predicted_bytes)]
        assert [value for value in cells.values if isinstance(value, int)] == expected


def test_profile_draws_a_kept_run(tmp_path, capfd):
    from anatomy.cli import main

    save(make_record("cuda"), tmp_path / "run.json")
    with pytest.raises(SystemExit) as done:
        main(["profile", "--open", str(tmp_path / "run.json"), "--plot", str(tmp_path / "run.svg")])
    assert done.value.code == 0
    assert "Measured on" in capfd.readouterr().out
    assert (tmp_path / "run.svg").read_bytes() == picture(phase_levels(make_record("cuda")), "svg")
