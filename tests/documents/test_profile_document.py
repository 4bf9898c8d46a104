"""What `profile` says: the answer first, parts that add up, and differences that are predicted less measured."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from made_records import CUDA, MIB, SMALLER, failed_record, make_record, measured_timeline

from anatomy.documents.document import Bars, Facts, Notes, Sentence, Table
from anatomy.documents.profile.run import NO_GPU, profile_document
from anatomy.documents.profile.speed import format_flops_per_second, format_seconds
from anatomy.documents.signed import signed_bytes, signed_share
from anatomy.memory.timeline import Timeline
from anatomy.profiling.measurement import Kernel
from anatomy.render import render
from anatomy.render.style import Style

WIDE = Style(width=120)
EMPTY = Timeline(blocks=(), trace=(), marks=())


def sentences(record):
    return [b.text for b in profile_document(record).blocks if isinstance(b, Sentence)]


def tables(record):
    return {b.title: b for b in profile_document(record).blocks if isinstance(b, Table)}


def facts(record, title):
    return dict(
        next(b.items for b in profile_document(record).blocks if isinstance(b, Facts) and b.title == title)
    )


def rows_of_csv(record):
    return list(csv.DictReader(io.StringIO(render(profile_document(record), "csv"))))


ON_THE_CPU = """\
org/a_model[x]: full, bf16, 2 × 128 tokens, measured

Measured on Example CPU: peak requested 204.00 MiB, predicted 200.00 MiB (-1.96 %).

No GPU: these are the CPU allocator's numbers, in bytes as they were requested. A GPU's kernels, its
caching allocator and its context are not seen. Scratch that the CPU's kernels take for themselves
(for products in bf16, 8-bit optimizers, convolutions) and what its own autocast does are not
predicted: they stand in the list below.

Peaks
peak        predicted    measured  difference    error
requested  200.00 MiB  204.00 MiB   -4.00 MiB  -1.96 %
difference = predicted - measured: negative where the prediction was too small

The peak is in backward of step 2, in model.layers.0.mlp.down_proj (aten.mm); as predicted.

In use at the peak
category           predicted    measured  difference
weights           100.00 MiB  100.00 MiB         0 B
gradients          20.00 MiB   20.00 MiB         0 B
optimizer states   40.00 MiB   40.00 MiB         0 B
activations        40.00 MiB   40.00 MiB         0 B
temporaries         0.00 MiB    4.00 MiB   -4.00 MiB
total             200.00 MiB  204.00 MiB   -4.00 MiB
each side at its own peak; the measured side as the profiler saw it

Requested, phase by phase
phase             predicted        peak  difference   predicted    after it  difference
load             100.00 MiB  100.00 MiB         0 B  100.00 MiB  100.00 MiB         0 B
1 forward        150.00 MiB  140.00 MiB  +10.00 MiB  140.00 MiB  140.00 MiB         0 B
1 backward       160.00 MiB  164.00 MiB   -4.00 MiB  120.00 MiB  120.00 MiB         0 B
1 optimizer step 160.00 MiB  160.00 MiB         0 B  160.00 MiB  160.00 MiB         0 B
1 zero grad      160.00 MiB  160.00 MiB         0 B  140.00 MiB  140.00 MiB         0 B
2 forward        190.00 MiB  180.00 MiB  +10.00 MiB  180.00 MiB  180.00 MiB         0 B
2 backward       200.00 MiB  204.00 MiB   -4.00 MiB  160.00 MiB  160.00 MiB         0 B
2 optimizer step 160.00 MiB  160.00 MiB         0 B  160.00 MiB  160.00 MiB         0 B
2 zero grad      160.00 MiB  160.00 MiB         0 B  140.00 MiB  140.00 MiB         0 B
peak: the most during that phase of that step; after it: when it ended; each beside its prediction

Speed
step      500.00 ms  median of 3, 400.00 ms to 600.00 ms
tokens    512 per second  256 in a step
achieved  4.00 TFLOP/s  recomputation included

Operators of one step, the longest first
operator             calls       time     share
gemm_f32<128, true>     12  250.00 ms   83.33 %
elementwise[x]          40   50.00 ms   16.67 %
total                   52  300.00 ms  100.00 %

97.01 % of the allocated bytes were foreseen, block by block: 260.00 MiB of 268.00 MiB that came and
went.

Happened, but not foreseen
operator                   phase     blocks    in all   largest      kept  at the peak  example
aten.convolution_backward  backward       2  8.00 MiB  4.00 MiB  0.00 MiB     4.00 MiB  model.layers.0.mlp.down_proj
total                                     2  8.00 MiB  4.00 MiB  0.00 MiB     4.00 MiB
kept: still in use when its phase ended

Foreseen, but did not happen
operator  phase    blocks     in all    largest      kept  at the peak  example
aten.mul  forward       2  20.00 MiB  10.00 MiB  0.00 MiB     0.00 MiB  model.layers.0
total                   2  20.00 MiB  10.00 MiB  0.00 MiB     0.00 MiB
kept: still in use when its phase ended

Machine
device                Example CPU (8.00 GiB)
peak resident memory  900.00 MiB
system                Python 3.13.0, Linux

Run
trainable  50.00 M of 50.00 M parameters (100.00 %)
chosen     method full, batch_size 2, seq_len 128
default    add_tokens 0, optimizer adamw_torch_fused, optimizer_in_backward no, weight_decay 0.0,
           precision bf16, padded no, grad_accum 1, gradient_checkpointing non-reentrant,
           checkpoint_every 1, checkpoint_offload no, padding_free no, attn sdpa, recurrent_kernels
           installed, loss stock, liger_kernels no, objective sft, label_smoothing 0.0,
           max_grad_norm 1.0, eval_batches 0

Assumed by the prediction
- no padding

Not modelled
- evaluation

Llama, read from folder: here, random weights.

Measured with torch 0.0.
"""


def squeezed(text):
    return [re.sub(r" +", " ", line).strip() for line in text.splitlines()]


def test_golden():
    assert squeezed(render(profile_document(make_record()), "table", WIDE)) == squeezed(ON_THE_CPU)


def test_the_answer_comes_first():
    first = profile_document(make_record("cuda")).blocks[0]
    assert first.text == (
        "Measured on Example GPU: peak allocated 204.00 MiB, predicted 200.00 MiB (-1.96 %)."
    )
    assert first.tone == "caution"
    close = profile_document(make_record("cuda", observed=make_record().prediction.timeline)).blocks[0]
    assert (close.tone, close.text[-6:]) == ("good", "(0 %).")


def test_a_cpu_is_said_plainly_and_a_gpu_is_not_one():
    assert sentences(make_record())[1] == NO_GPU
    assert NO_GPU not in sentences(make_record("cuda"))


def test_the_three_numbers_of_a_gpu():
    record = make_record("cuda")
    table = tables(record)["Peaks"]
    assert [row[0] for row in table.rows] == ["allocated", "reserved", "device", "context"]
    assert table.texts(table.rows[2])[0] == "on the device"
    machine = facts(record, "Machine")
    assert machine["GPU"] == "compute capability 8.0, 108 multiprocessors, driver 500.00"
    assert machine["allocator settings"] == "expandable_segments:False"
    assert machine["context"] == "300.00 MiB"
    assert "Reserved, phase by phase" in tables(record)
    assert facts(record, "Speed")["MFU"].startswith("20.0 % of the 10.00 TFLOP/s")


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
@pytest.mark.parametrize("failed", [False, True])
def test_differences_and_sums_in_every_format(kind, failed):
    """Table cells, csv fields and JSON numbers: predicted less measured, and parts that add up to their total."""
    record = failed_record() if failed else make_record(kind)
    document = profile_document(record)
    checked = 0
    for table in (b for b in document.blocks if isinstance(b, Table)):
        names = [column.name for column in table.columns]
        for row in (*table.rows, *([table.total] if table.total else [])):
            cells = dict(zip(names, row, strict=True))
            for prefix in ("", "peak_", "end_"):
                if f"{prefix}difference_bytes" in cells:
                    predicted, measured = (
                        cells[f"{prefix}{side}_bytes"] for side in ("predicted", "measured")
                    )
                    assert cells[f"{prefix}difference_bytes"] == predicted - measured
                    checked += 1
        if table.total is not None:
            for column, name in enumerate(names):
                if name.endswith("_bytes") or name in ("bytes", "blocks", "calls"):
                    add = max if name == "largest_bytes" else sum
                    assert table.total[column] == add(row[column] for row in table.rows)
    assert checked > 5

    data = json.loads(render(document, "json"))
    assert data == json.loads(json.dumps(document.data))
    lines = rows_of_csv(record)
    for figure in (*data["peaks"].values(), *data["categories"]):
        assert figure["difference_bytes"] == figure["predicted_bytes"] - figure["measured_bytes"]
    for line in lines:
        if line["difference_bytes"]:
            assert int(line["difference_bytes"]) == int(line["predicted_bytes"]) - int(line["measured_bytes"])
    in_csv = {line["name"]: int(line["measured_bytes"]) for line in lines if line["section"] == "category"}
    assert in_csv == {row["name"]: row["measured_bytes"] for row in data["categories"]}
    assert sum(in_csv.values()) == data["peaks"]["allocated"]["measured_bytes"]
    assert (
        sum(int(line["bytes"]) for line in lines if line["section"] == "unforeseen")
        == (data["residuals"]["unforeseen_bytes"])
    )
    page = render(document, "md")
    for figure in data["categories"]:
        assert f"| {figure['name']} |" in page
    assert "NaN" not in page


def test_json_has_integers_of_bytes():
    def walk(value, path=""):
        for key, inner in (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        ):
            if str(key).endswith("bytes") and inner is not None:
                assert type(inner) is int, f"{path}.{key}"
            walk(inner, f"{path}.{key}")

    data = json.loads(render(profile_document(make_record("cuda")), "json"))
    walk(data)
    assert data["schema_version"] == 1
    assert data["residuals"]["explained"] == pytest.approx(260 / 268)
    assert data["recipe"]["alpha"] == 32
    assert data["failure"] is data["alive_at_failure"] is data["smaller"] is None


def test_out_of_memory_is_an_answer():
    said = sentences(failed_record(SMALLER))
    assert said[:4] == [
        "Out of memory on Example GPU (512.00 MiB) in backward of step 1, in model.layers.0.mlp.down_proj: "
        "400.00 MiB more could not be had.",
        "torch: CUDA out of memory. Tried to allocate 400.00 MiB.",
        "The prediction had said that it fits: it needs 500.00 MiB of 512.00 MiB, when nothing else uses the device.",
        "To try: --batch-size 1 --grad-accum 2 (predicted to need 400.00 MiB).",
    ]
    assert said[4] == "What follows compares the phases that were finished before."
    blocks = profile_document(failed_record()).blocks
    (bars,) = (b for b in blocks if isinstance(b, Bars))
    assert bars.total == 160 * MIB
    assert blocks[0].tone == "bad"
    holdings = tables(failed_record())["The largest of it"]
    assert sum(row[4] for row in holdings.rows) == bars.total
    assert not [text for text in sentences(failed_record()) if text.startswith("To try")]


def test_out_of_memory_that_was_foretold():
    record = failed_record()
    small = replace(record.measurement, machine=replace(CUDA, memory_bytes=450 * MIB))
    said = sentences(replace(record, measurement=small))
    assert (
        "The prediction had said so: it needs 500.00 MiB of 450.00 MiB, and would end in forward of step 2, "
        "in model.layers.0.mlp.down_proj (aten.mm)."
    ) in said
    on_cpu = replace(small, machine=replace(make_record().measurement.machine, memory_bytes=150 * MIB))
    assert "The prediction had said so: it needs 200.00 MiB of 150.00 MiB." in sentences(
        replace(record, measurement=on_cpu, prediction=make_record().prediction)
    )


def test_out_of_memory_in_json_and_csv():
    document = profile_document(failed_record(SMALLER))
    assert document.data["failure"]["requested_bytes"] == 400 * MIB
    assert document.data["alive_at_failure"]["bytes"] == 160 * MIB
    assert document.data["smaller"]["flags"] == "--batch-size 1 --grad-accum 2"
    lines = rows_of_csv(failed_record())
    for section in ("alive", "holding"):
        assert sum(int(line["bytes"]) for line in lines if line["section"] == section) == 160 * MIB


def test_notes_of_all_kinds_are_said():
    record = make_record(notes=("the clock was slow",))
    other = replace(record.prediction, versions={"torch": "9.9", "peft": "1"})
    (notes,) = (
        b
        for b in profile_document(replace(record, prediction=other)).blocks
        if isinstance(b, Notes) and b.title == "Notes"
    )
    assert notes.items == (
        "the clock was slow",
        "the prediction was made with other versions than ran: torch 9.9 instead of 0.0",
    )


def test_a_run_that_was_hardly_watched():
    counted = make_record(observed=EMPTY, phases=make_record().measurement.phases, timing=None, kernels=())
    found = tables(counted)
    assert set(found) == {"Peaks", "Requested, phase by phase"}
    assert "The predicted peak is in backward of step 2, in model.layers.0.mlp.down_proj (aten.mm)." in (
        sentences(counted)
    )
    blind = make_record(observed=EMPTY, timing=None, kernels=())
    assert sentences(blind)[0].startswith("Ran on Example CPU; no memory was measured")
    for form in ("table", "md", "csv", "json"):
        assert render(profile_document(blind), form)


def test_many_rows_are_shortened_in_a_terminal_alone():
    kernels = tuple(Kernel(name=f"k{n}", calls=1, seconds=0.1) for n in range(15))
    document = profile_document(make_record(kernels=kernels))
    assert "k9" in (shown := render(document, "table"))
    assert "k10" not in shown
    assert "5 more: with --format md, csv or json" in shown
    assert "| k14 |" in render(document, "md")


def test_no_table_is_cut_in_eighty_columns():
    for record in (make_record(), make_record("cuda"), failed_record()):
        text = render(profile_document(record), "table", Style(width=80))
        assert max(map(len, text.splitlines())) <= 80
        assert "difference" in text
        assert "MiB" in text
        assert not re.search(r"\d Mi( |$)", text, re.MULTILINE)


def test_names_are_no_markup():
    document = profile_document(make_record())
    assert "gemm_f32&lt;128, true>" in render(document, "md")
    assert "elementwise[x]" in render(document, "table")


def test_measured_without_timeline_of_its_own_in_the_fixture():
    """The golden text rests on these two figures."""
    assert sum(block.bytes for block in measured_timeline().blocks) == 268 * MIB


def test_signs():
    show = signed_bytes([5 * MIB, -MIB])
    assert [show(n) for n in (5 * MIB, -MIB, 0, None)] == ["+5.00 MiB", "-1.00 MiB", "0 B", ""]
    assert [signed_share(x) for x in (0.05, -0.0196, 0.0, -0.00002, None)] == [
        *("+5.00 %", "-1.96 %", "0 %", "-0.002 %", "")
    ]


def test_times_and_rates():
    assert [format_seconds(x) for x in (1.25, 0.0125, 3.1e-6, 0)] == [
        *("1.25 s", "12.50 ms", "3.10 µs", "0.00 µs")
    ]
    assert format_flops_per_second(3.12e14) == "312.00 TFLOP/s"
    assert format_flops_per_second(10) == "10.00 FLOP/s"
