"""A report as Markdown, by example."""

import re
from textwrap import dedent

from made_reports import tiny_report

from anatomy.documents.document import Bars, Code, Document, Picture, Table
from anatomy.documents.pictured import NOT_DRAWN, pictured, without_pictures
from anatomy.documents.sections import chosen
from anatomy.documents.whole import plan_report
from anatomy.render import render

LAYER = """\
    ## One layer

    ### model.layers.0-1: one of 2 alike, 36,992 parameters

    ```mermaid
    flowchart TB
      subgraph m0_1["model.layers.0, LlamaDecoderLayer"]
        direction TB
        m0["input_layernorm<br/>LlamaRMSNorm<br/>weight 64"]
        subgraph m1_2["self_attn, LlamaAttention"]
          direction TB
          m1["q_proj<br/>Linear<br/>weight 64 × 64"]
          m2["k_proj<br/>Linear<br/>weight 32 × 64"]
          m3["v_proj<br/>Linear<br/>weight 32 × 64"]
          m4["o_proj<br/>Linear<br/>weight 64 × 64"]
        end
        m5["post_attention_layernorm<br/>LlamaRMSNorm<br/>weight 64"]
        subgraph m6_2["mlp, LlamaMLP"]
          direction TB
          m6["gate_proj<br/>Linear<br/>weight 128 × 64"]
          m7["act_fn<br/>SiLUActivation"]
          m8["up_proj<br/>Linear<br/>weight 128 × 64"]
          m9["down_proj<br/>Linear<br/>weight 64 × 128"]
        end
      end
      m0 --> m1
      m1 --> m2
      m2 --> m3
      m3 --> m4
      m4 --> m5
      m5 --> m6
      m6 --> m7
      m7 --> m8
      m8 --> m9
    ```

    The arrows are the order in which the modules ran in the rehearsed step, not the data flow: residual connections and \
what modules do between these are not drawn.
"""
ANSWER = """\
    # org/a_model[x]: lora r 8, bf16, 1 × 2,048 tokens

    ## The answer

    Fits on Large (2.00 GiB) with 824.00 MiB to spare: the smallest GPU that will do without reservations \
(Old: only by giving cached memory back, emulates bf16; Tight: only by giving cached memory back).

    |  |  |
    | --- | --- |
    | peak allocated | 160.00 MiB  blocks in use |
    | peak reserved | 200.00 MiB  held by torch's caching allocator |
    | on the device | 1.20 GiB  reserved + 1.00 GiB CUDA context (Large) |
    | trainable | 1.00 M of 50.00 M parameters (2.00 %) |

    The peak is in backward of step 1, in lm_head (aten.add).

    ### Warnings

    - mind the \\| gap

    ## The peak, and what it is made of

    ### Allocated at the peak

    |  | memory | share |
    | --- | ---: | ---: |
    | weights | 100.00 MiB | 62.50 % |
    | activations | 60.00 MiB | 37.50 % |
    | total | 160.00 MiB | 100.00 % |

    ### At the peak, by what owns it

    | category | component | memory |
    | --- | --- | ---: |
    | weights | head | 100.00 MiB |
    | activations | (no component) | 60.00 MiB |
    | total | all | 160.00 MiB |

    ## Memory through a step

    ![Memory in use by category, event by event: peak 160.00 MiB in backward of step 1, in lm_head (aten.add); Large \
gives out at most 1.00 GiB.](<made-timeline.svg>)

    ## Not modelled

    - evaluation

    ## Read and rehearsed

    Llama, read from folder: here.

    Rehearsed with torch 0.0.
"""


def test_a_report_by_example(made_plan):
    asked = ("answer", "peak", "timeline", "not-modelled", "versions")
    document, files = pictured(chosen(plan_report(made_plan, None, None), asked), "made")
    assert render(document, "md") == dedent(ANSWER)
    assert list(files) == ["made-timeline.svg"]


def test_a_layer_by_example():
    text = render(chosen(tiny_report(), ("layer",)), "md")
    assert text.partition("\n\n")[2] == dedent(LAYER)


def test_every_row_and_total_of_every_table_is_there():
    document = tiny_report()
    lines = set(render(document, "md").replace("\\", "").splitlines())
    blocks = [block for section in document.blocks for block in section.blocks]
    tables = [block for block in blocks if isinstance(block, Table)]
    assert len(tables) > 4
    for table in tables:
        for row in (*table.rows, *([] if table.total is None else [table.total])):
            assert f"| {' | '.join(table.texts(row))} |" in lines
    for bars in (block for block in blocks if isinstance(block, Bars)):
        for name, amount in bars.items:
            assert any(line.startswith(f"| {name} | {bars.show(amount)} |") for line in lines)


def test_pictures_in_one_section_have_names_of_their_own():
    timeline = next(section for section in tiny_report().blocks if section.name == "timeline").blocks[0]
    document = Document(title="t", blocks=(timeline, timeline), table=Table(columns=(), rows=()))
    found, files = pictured(document, "a b")
    assert list(files) == ["a b.svg", "a b-2.svg"]
    assert [block.file for block in found.blocks] == list(files)


def test_without_what_draws_it_is_said():
    text = render(without_pictures(tiny_report()), "md")
    assert text.endswith(f"\n\n{NOT_DRAWN}\n")
    assert not re.search(r"^!\[", text, flags=re.MULTILINE)


def test_code_and_alt_texts_stay_what_they_are():
    blocks = (Code(text="a ``` b\n"), Picture(file="p (1).svg", alt="x [y] *z*"))
    text = render(Document(title="t", blocks=blocks, table=Table(columns=(), rows=())), "md")
    assert text == "# t\n\n````\na ``` b\n````\n\n![x \\[y\\] \\*z\\*](<p (1).svg>)\n"
