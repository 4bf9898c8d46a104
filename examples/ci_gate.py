"""Fail a pull request whose runs no longer fit: trainers' files, each planned on the card, with a margin.

python examples/ci_gate.py "RTX 4090" 0.5 examples/trl_sft.yaml examples/axolotl_qlora.yml

Exit code 1 where one leaves less than so many GiB free, 2 where one cannot be planned. For one file and no margin the
command line will do: `anatomy plan --config FILE --gpu "RTX 4090" --check`.
"""

import sys

import anatomy

GIB = 2**30


def passes(file: str, card: str, margin_bytes: float) -> bool:
    """Whether the run of a file leaves the margin free; says so."""
    (fit,) = anatomy.plan(config=file, gpu=card).fits
    free = fit.headroom_bytes  # None: it fits only once the allocator has given its cache back
    enough = fit.fits and free is not None and free >= margin_bytes
    left = "no margin" if free is None else f"{abs(free) / GIB:.2f} GiB {'left' if free >= 0 else 'short'}"
    print(f"{'ok  ' if enough else 'FAIL'} {file}: {fit.verdict} on {fit.gpu}, {left}")
    return enough


def main(card: str, margin: str, *files: str) -> int:
    """The exit code."""
    try:
        results = [passes(file, card, float(margin) * GIB) for file in files]
    except anatomy.AnatomyError as error:
        print(error.message, error.hint, sep="\nhint: ", file=sys.stderr)
        return 2
    return 0 if all(results) else 1


if __name__ == "__main__":
    if len(sys.argv) < 4:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.exit(main(*sys.argv[1:]))
