"""Charts to pictures: a document that names files, and what is to be drawn in each."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from anatomy.documents.charts import Chart
from anatomy.documents.document import Block, Document, Picture, Section, Sentence

NOT_DRAWN = "The pictures are left out: they are drawn by matplotlib, which is not installed."


def pictured(document: Document, stem: str) -> tuple[Document, dict[str, Chart]]:
    """The document with a picture in place of every chart, and file name -> chart. Names begin with `stem`."""
    files: dict[str, Chart] = {}
    return replace(document, blocks=_pictured(document.blocks, stem, files)), files


def without_pictures(document: Document) -> Document:
    """The document, saying why nothing is drawn in it."""
    return replace(document, blocks=(*document.blocks, Sentence(text=NOT_DRAWN)))


def _pictured(blocks: Iterable[Block], stem: str, files: dict[str, Chart]) -> tuple[Block, ...]:
    found: list[Block] = []
    for block in blocks:
        if isinstance(block, Section):
            found.append(replace(block, blocks=_pictured(block.blocks, f"{stem}-{block.name}", files)))
        elif isinstance(block, Chart):
            name = _free(stem, files)
            files[name] = block
            found.append(Picture(file=name, alt=block.words))
        else:
            found.append(block)
    return tuple(found)


def _free(stem: str, files: Mapping[str, Chart]) -> str:
    names = (f"{stem}{'' if number == 1 else f'-{number}'}.svg" for number in range(1, len(files) + 2))
    return next(name for name in names if name not in files)
