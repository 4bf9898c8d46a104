"""The files that a command was asked to write, checked before any work is done."""

import os

import click

from anatomy.cli.streams import check_writable

PLOT = "--plot"
"""The flag of every command that draws."""


def check_files(ctx: click.Context, files: dict[str, str | None], exports: tuple[str, ...] = ()) -> None:
    """`files`: flag -> the file it names, None for a flag that was not given; `exports`: flags of exported timelines.

    Raises UsageError where two flags name one file, AnatomyError where one cannot be written, or is to hold a timeline
    or a picture and has an ending that says no format.
    """
    seen: dict[str, str] = {}
    for flag, path in files.items():
        if path is None:
            continue
        if flag in exports:
            from anatomy import api

            api.check_export(path)
        if flag == PLOT:
            from anatomy import api

            api.check_plot(path)
        check_writable(path, flag)
        other = seen.setdefault(os.path.realpath(path), flag)
        if other != flag:
            raise click.UsageError(f"{other} and {flag} both name {path}.", ctx=ctx)
