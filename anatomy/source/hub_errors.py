"""What the hub's and the network's failures mean to a person, and what to do about each."""

from collections.abc import Callable

from anatomy.errors import SourceError
from anatomy.source.spelling import close_matches


class UnusableAnswerError(Exception):
    """The server answered something else than the part of the file that it was asked for."""

    def __init__(self, file: str, fault: str) -> None:
        super().__init__(f"{file}: {fault}")
        self.file = file
        self.fault = fault


def network_errors() -> tuple[type[Exception], ...]:
    """What asking the hub for a file raises when it cannot be had."""
    from huggingface_hub import errors

    # HTTPError is the base of the HTTP client's own errors: httpx or httpx2, by huggingface_hub's version.
    transport: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
    return (transport, errors.EntryNotFoundError, UnusableAnswerError, OSError)


def explain(
    error: Exception, repo: str, revision: str | None = None, known: tuple[str, ...] = ()
) -> SourceError:
    """The failure as a sentence and a hint; `known` are ids of models that need no network."""
    from huggingface_hub import errors

    if isinstance(error, errors.LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # 'not in the cache' hides why the hub was not asked
    rows: tuple[tuple[type[Exception], Callable[[], tuple[str, str]]], ...] = (
        (UnusableAnswerError, lambda: _unusable(repo, error)),
        (errors.GatedRepoError, lambda: _gated(repo)),
        (errors.RevisionNotFoundError, lambda: _no_revision(repo, revision)),
        (errors.RepositoryNotFoundError, lambda: _unknown(repo)),
        (errors.HfHubHTTPError, lambda: _status(repo, error)),
        (errors.OfflineModeIsEnabled, lambda: _offline(repo)),
        (errors.FileMetadataError, lambda: _not_a_hub(repo)),
        (errors.HTTPError, lambda: _unreachable(repo, error)),  # type: ignore[attr-defined]
    )
    message, hint = next(
        (say() for kind, say in rows if isinstance(error, kind)),
        (f"{repo} could not be read from the hub: {error}.", "check the network and the cache's permissions"),
    )
    return SourceError(message, _suggest(repo, known) + hint)


def _suggest(repo: str, known: tuple[str, ...]) -> str:
    """What to say first in the hint when the catalog knows this model or ones that are spelt like it."""
    if repo in known:
        return "leave the revision out to use the catalog's facts, or "
    matches = close_matches(repo, known)
    return f"did you mean {' or '.join(matches)}? If not, " if matches else ""


def _gated(repo: str) -> tuple[str, str]:
    from huggingface_hub import constants

    return (
        f"{repo} is gated: its authors decide who may read it, and the hub does not know you as one of them.",
        f"accept its terms at {constants.ENDPOINT}/{repo}, then run `hf auth login` or set HF_TOKEN",
    )


def _no_revision(repo: str, revision: str | None) -> tuple[str, str]:
    return f"{repo} has no revision {revision!r}.", "name a branch, a tag or a full commit hash, or none"


def _unknown(repo: str) -> tuple[str, str]:
    return (
        f"There is no {repo}: not on this disk, not in the catalog, and the hub does not know it.",
        "see `anatomy models` for the catalog; if it is a private repository, run `hf auth login`",
    )


def _status(repo: str, error: Exception) -> tuple[str, str]:
    code = getattr(getattr(error, "response", None), "status_code", "an error")
    if code in (401, 403):
        return (
            f"The hub refused to show {repo} ({code}).",
            "run `hf auth login` with a token that may read it",
        )
    return (
        f"The hub could not answer for {repo} ({code}).",
        "try again later, or name a folder or a config.json",
    )


def _unusable(repo: str, error: Exception) -> tuple[str, str]:
    return (
        f"The hub's answers for {repo} cannot be used ({error}).",
        "try again later; if HF_ENDPOINT names a mirror, check that it serves ranges as the hub does",
    )


def _offline(repo: str) -> tuple[str, str]:
    return (
        f"{repo} is not on this disk, and --offline or HF_HUB_OFFLINE forbids asking the hub for it.",
        "ask once without it, or name a folder or a config.json; `anatomy models` lists the catalog",
    )


def _not_a_hub(repo: str) -> tuple[str, str]:
    return (
        f"What answered for {repo} is not a Hugging Face hub.",
        "check HF_ENDPOINT, and whether a proxy or a login page stands in between",
    )


def _unreachable(repo: str, error: Exception) -> tuple[str, str]:
    from huggingface_hub import constants

    return (
        f"{repo} is not on this disk, and {constants.ENDPOINT} cannot be reached ({type(error).__name__}).",
        "check the network, or name a folder or a config.json; `anatomy models` lists the catalog",
    )
