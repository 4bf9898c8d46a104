"""docs/reference/commands.md: every command with its options, as click knows them."""

import re
from collections.abc import Iterable, Iterator, Mapping

import click

from anatomy.cli.errors import BAD_INPUT, INTERRUPTED
from anatomy.cli.options import GroupedCommand
from anatomy.cli.root import anatomy
from generator.markdown import NOTICE, anchor, code, codes, joined, plain, prose, table

_DEFAULT = re.compile(r"\s+\[default: (.*)\]$", flags=re.S)
EXIT_CODES = {
    0: "answered",
    1: "answered, and with `--check` the answer is no: the run does not fit, or a bar is not met",
    BAD_INPUT: "bad input: flags, files, models, recipes; a sentence and a hint stand on stderr",
    INTERRUPTED: "interrupted",
}
Row = tuple[str, ...]
"""Flags, values, default, meaning."""
Shared = Mapping[tuple[str, Row], tuple[str, ...]]
"""(heading, option under it) that stands in more than one command -> those commands."""


def page() -> str:
    """The whole page."""
    commands = dict(_commands())
    shared = _shared(commands)
    parts = [
        NOTICE,
        "# Commands",
        "Options that several commands take in the same words stand once, at the end.",
        "\n".join(f"- [`anatomy {name}`](#{anchor('anatomy ' + name)})" for name in commands),
        *(_section(name, found, shared) for name, found in commands.items()),
        *_shared_sections(shared),
        "## Exit codes",
        table(("code:", "meaning"), ((str(number), text) for number, text in EXIT_CODES.items())),
    ]
    return joined(*parts)


def _commands() -> Iterator[tuple[str, click.Command]]:
    ctx = click.Context(anatomy, info_name="anatomy")
    for name in anatomy.list_commands(ctx):
        found = anatomy.get_command(ctx, name)
        assert found is not None
        yield name, found


def sections_of_help(text: str) -> tuple[str, str]:
    """(the examples with which a help text begins, what follows)."""
    first, _, rest = text.replace("\b", "").strip("\n").partition("\n\n")
    return "\n".join(line.strip() for line in first.splitlines() if line.strip()), prose(rest)


def _section(name: str, command: click.Command, shared: Shared) -> str:
    ctx = click.Context(command, info_name=f"anatomy {name}")
    examples, said = sections_of_help(command.help or "")
    usage = " ".join(command.collect_usage_pieces(ctx))
    parts = [f"## anatomy {name}", plain(said), f"`anatomy {name} {usage}`", f"```sh\n{examples}\n```"]
    if command.epilog:
        parts.append("\n\n".join(map(plain, command.epilog.replace("\b\n", "").splitlines())))
    links = []
    for heading, rows in _options(command, ctx).items():
        own = [row for row in rows if (heading, row) not in shared]
        if own:
            parts += [f"**{heading}**", _table(own)]
        if len(own) < len(rows):
            links.append(f"[{heading.lower()}](#{anchor(heading)})")
    if links:
        parts.append(f"{'Also' if len(parts) > 4 else 'Options'}: {', '.join(links)}.")
    return joined(*parts).rstrip("\n")


def _shared(commands: Mapping[str, click.Command]) -> Shared:
    found: dict[tuple[str, Row], list[str]] = {}
    in_order = sorted(
        commands, key=lambda name: -len(_options(commands[name], click.Context(commands[name])))
    )
    for name in in_order:
        command = commands[name]
        for heading, rows in _options(command, click.Context(command, info_name=name)).items():
            for row in rows:
                found.setdefault((heading, row), []).append(name)
    return {
        place: tuple(n for n in commands if n in names) for place, names in found.items() if len(names) > 1
    }


def _shared_sections(shared: Shared) -> Iterator[str]:
    """Under each heading the options that the same commands have, together."""
    headings: dict[str, dict[tuple[str, ...], list[Row]]] = {}
    for (heading, row), names in shared.items():
        headings.setdefault(heading, {}).setdefault(names, []).append(row)
    for heading, groups in headings.items():
        yield f"## {heading}"
        for names, rows in groups.items():
            yield f"Of {codes(names)}:"
            yield _table(rows)


def _options(command: click.Command, ctx: click.Context) -> dict[str, tuple[Row, ...]]:
    """Heading -> the options under it."""
    assert isinstance(command, GroupedCommand), "every command groups its options"
    return {
        heading: tuple(_row(option, ctx) for option in options if "--help" not in option.opts)
        for heading, options in command.grouped(ctx).items()
        if [option for option in options if "--help" not in option.opts]
    }


def _row(option: click.Option, ctx: click.Context) -> Row:
    text = option.help or ""
    stated = _DEFAULT.search(text)
    default = stated[1] if stated else str(option.default) if option.show_default else ""
    return (
        codes([*option.opts, *option.secondary_opts]),
        _values(option, ctx),
        default,
        _DEFAULT.sub("", text),
    )


def _values(option: click.Option, ctx: click.Context) -> str:
    """What follows a flag; nothing for a switch."""
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return codes(map(str, option.type.choices))
    return option.make_metavar(ctx)


def _table(rows: Iterable[Row]) -> str:
    shown = ((flags, values, code(default), plain(text)) for flags, values, default, text in rows)
    return table(("flag", "values", "default", "meaning"), shown)
