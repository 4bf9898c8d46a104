"""The command line: parse, call `anatomy.api`, render, exit. The only part that prints."""

import sys
from collections.abc import Sequence


def main(args: Sequence[str] | None = None) -> None:
    """Run `anatomy` and leave with its exit code.

    0: answered; 1: answered, and with --check the answer is no; 2: an error; 130: interrupted.
    """
    from anatomy.cli.errors import guarded
    from anatomy.cli.root import anatomy

    sys.exit(guarded(lambda: anatomy.main(args, prog_name="anatomy", standalone_mode=False)))
