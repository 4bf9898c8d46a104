"""Bytes of files on the hub, by HTTP range: what was not asked for is never taken.

huggingface_hub has the session (proxies, certificates, the user's token, offline mode); the requests are made here,
because its own functions keep whatever a server sends (a server may ignore a range and send the whole file), do not
repeat a request whose answer breaks off, and wait as long as a `Retry-After` says.
"""

import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from anatomy import __version__
from anatomy.blueprint import TensorHeader
from anatomy.errors import SourceError
from anatomy.source.hub_errors import UnusableAnswerError, explain, network_errors
from anatomy.source.jsonfile import MAX_JSON_BYTES, parse_json
from anatomy.source.safetensors import PREFIX_BYTES, header_length, parse_header

Answer = TypeVar("Answer")

FIRST_BYTES = 100_000
"""Asked for first. huggingface_hub's authors measured that 97 % of headers are shorter
(https://github.com/huggingface/huggingface_hub/pull/1855)."""

_WAITS_SECONDS = (0.25, 0.5, 1.0)
"""Before the second, third and fourth attempt, where the server does not say how long to wait."""

_LONGEST_WAIT_SECONDS = 10.0
"""A server that asks for more patience than this is not waited for."""

_SLOWEST_BYTES_PER_SECOND = 50_000
"""An answer that falls behind this by more than the timeout is broken off."""

_LARGEST_DETOUR_BYTES = 1_000_000
"""Read and dropped, at most, to come to a part of a file that a server sends whole."""

_REPEATED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Some of a file's bytes, as the hub sent them."""

    data: bytes
    """Fewer than were asked for only where the file ends before."""
    size: int | None
    """The whole file's bytes; None where the server does not say."""
    commit: str | None
    """The commit that the file is of; None where the server does not say."""


def read_range(repo: str, file: str, start: int, end: int, *, revision: str | None = None) -> bytes:
    """Bytes `start` up to, not including, `end` of a file on the hub; fewer only where the file ends before.

    Raises `SourceError` when they cannot be had, after a bounded number of attempts.
    """
    try:
        return fetch_part(repo, file, start, end, revision=revision).data
    except network_errors() as error:
        raise explain(error, repo, revision) from error


def fetch_part(repo: str, file: str, start: int, end: int, *, revision: str | None = None) -> Part:
    """As `read_range`, with the file's size and commit; raises huggingface_hub's errors or `UnusableAnswerError`."""
    if start >= end:
        return Part(data=b"", size=None, commit=None)
    return _repeated(lambda: _ask(_address(repo, file, revision), file, start, end))


def fetch_document(repo: str, file: str, *, revision: str | None = None) -> Part:
    """A whole JSON file of the repository, in one request.

    Raises `SourceError` where it is longer than any that is read, before it is sent; else as `fetch_part`.
    """
    return _repeated(lambda: _ask(_address(repo, file, revision), f"{repo}'s {file}", 0, None))


def fetch_names(repo: str, *, revision: str | None = None) -> tuple[str, ...]:
    """The names of the files in the repository's top folder, the first thousand; raises as `fetch_document`."""
    from huggingface_hub import constants

    what = f"the list of {repo}'s files"
    url = f"{constants.ENDPOINT}/api/models/{repo}/tree/{quote(revision or 'main', safe='')}"
    entries = parse_json(_repeated(lambda: _ask(url, what, 0, None)).data, what=what)
    named = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return tuple(str(entry["path"]) for entry in named if entry.get("type") == "file" and "path" in entry)


def fetch_header(
    repo: str, file: str, *, revision: str, expected: int = FIRST_BYTES
) -> tuple[bytes, tuple[TensorHeader, ...]]:
    """The bytes of a safetensors file's header, and the tensors it describes: one request, two for a long header.

    `expected` bytes are asked for first. Raises `SourceError` when the header is not valid, and what `fetch_part`
    raises when it cannot be had.
    """
    part = fetch_part(repo, file, 0, expected, revision=revision)
    start, size = part.data, part.size
    wanted = PREFIX_BYTES + header_length(start[:PREFIX_BYTES], file=file, size=size)
    if wanted > len(start):
        start += fetch_part(repo, file, len(start), wanted, revision=revision).data
    return start[:wanted], parse_header(start, file=file, size=size)


def _repeated(attempt: Callable[[], Answer]) -> Answer:
    """The first answer that is one; the last failure when there have been enough attempts or enough time was lost."""
    from huggingface_hub import constants

    gives_up = time.monotonic() + 2 * constants.HF_HUB_DOWNLOAD_TIMEOUT
    for wait in _WAITS_SECONDS:
        try:
            return attempt()
        except network_errors() as error:
            pause = _pause(error, wait)
            if pause is None or time.monotonic() + pause > gives_up:
                raise
            time.sleep(pause)
    return attempt()


def _pause(error: Exception, wait: float) -> float | None:
    """Seconds to wait before the next attempt; None where another one would be answered alike."""
    from huggingface_hub import errors

    if isinstance(error, errors.HfHubHTTPError):
        if error.response.status_code not in _REPEATED_STATUSES:
            return None
        asked = error.response.headers.get("Retry-After", "")
        pause = max(wait, int(asked)) if re.fullmatch(r"\d{1,9}", asked) else wait
        return pause if pause <= _LONGEST_WAIT_SECONDS else None
    if isinstance(error, errors.OfflineModeIsEnabled):
        return None
    return wait


def _address(repo: str, file: str, revision: str | None) -> str:
    """What huggingface_hub's `hf_hub_url` gives; that lies beside its downloads, which are slow to import."""
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{repo}/resolve/{quote(revision or 'main', safe='')}/{quote(file)}"


def _ask(url: str, what: str, start: int, end: int | None) -> Part:
    """One request for a part, and no more of its answer than that part; `end` None is a document's, wherever it is."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]  # documented, but not in its __all__

    wanted = {} if end is None else {"Range": f"bytes={start}-{end - 1}"}
    with get_session().stream(
        "GET",
        url,
        headers={**_who(), **wanted, "Accept-Encoding": "identity"},
        timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
    ) as response:
        commit = _commit(response)
        if response.status_code == 416:
            return Part(data=b"", size=_size_beyond(response), commit=commit)
        _raise_for_status(response)
        first, size = _placed(response, what, start)
        stop = _document_end(size, what) if end is None else end
        due = max(0, (stop if size is None else min(stop, size)) - start)
        data = _take(response, start - first + due, what)[start - first :]
        if size is not None and len(data) != due:
            raise UnusableAnswerError(what, f"{len(data):,} bytes came where {due:,} were due")
        return Part(data=data, size=size, commit=commit)


def _who() -> dict[str, str]:
    """The user's token, and who asks. huggingface_hub's own headers also say which packages and agents are here."""
    token = _token()
    return {"User-Agent": f"anatomy/{__version__}", **({"Authorization": f"Bearer {token}"} if token else {})}


_TOKEN_SETTINGS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_RESOURCE")


def _token() -> str | None:
    """What huggingface_hub's `get_token` gives; it is not imported (25 ms) where nothing can have one."""
    from huggingface_hub import constants

    anywhere = (
        any(os.environ.get(name) for name in _TOKEN_SETTINGS)
        or os.path.exists(constants.HF_TOKEN_PATH)
        or "google.colab" in sys.modules
    )
    if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN or not anywhere:
        return None
    from huggingface_hub import get_token

    return get_token()


def _document_end(size: int | None, what: str) -> int:
    """Where reading a document ends: one byte further than any may be, so that a longer one is noticed."""
    if size is not None and size > MAX_JSON_BYTES:
        raise SourceError(
            f"{what} is {size:,} bytes, more than the {MAX_JSON_BYTES:,} that are read.",
            "check that this is the repository you mean",
        )
    return MAX_JSON_BYTES + 1


def _raise_for_status(response: Any) -> None:
    """huggingface_hub's error for a refusal, made of its status and headers: its body is nobody's to bound."""
    from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]

    if response.is_success:
        return
    said = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
    hf_raise_for_status(type(response)(response.status_code, headers=said, request=response.request))
    raise UnusableAnswerError(str(response.url), f"its status is {response.status_code}")


def _placed(response: Any, what: str, start: int) -> tuple[int, int | None]:
    """(where in the file the body begins, the whole file's size if the server says it)."""
    if response.status_code != 206:
        if start > _LARGEST_DETOUR_BYTES:
            raise UnusableAnswerError(what, "the whole file is sent where a part was asked for")
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if re.fullmatch(r"\d{1,19}", length) else None
    said = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)", said)
    if match is None or int(match[1]) != start or match[3] == "*":
        raise UnusableAnswerError(what, f"another part is sent than was asked for: {said[:80]!r}")
    return start, int(match[3])


def _commit(response: Any) -> str | None:
    """What the hub says, and the store that it may have redirected to does not."""
    said = (answer.headers.get("X-Repo-Commit") for answer in (*response.history, response))
    return next((commit for commit in said if re.fullmatch(r"[0-9a-f]{40}", commit or "")), None)


def _size_beyond(response: Any) -> int | None:
    """The file's size, from the 'Content-Range: bytes */1024' of a part that lies behind its end."""
    match = re.fullmatch(r"bytes \*/(\d{1,19})", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _take(response: Any, count: int, what: str) -> bytes:
    """At most `count` bytes of the body; whatever else the server would send is left on the wire."""
    from huggingface_hub import constants

    due = time.monotonic() + constants.HF_HUB_DOWNLOAD_TIMEOUT
    taken = bytearray()
    for chunk in response.iter_raw():
        taken += chunk
        if len(taken) > count:
            break  # an answer of just `count` bytes is read to its end, so that its connection can be used again
        if time.monotonic() > due + len(taken) / _SLOWEST_BYTES_PER_SECOND:
            raise UnusableAnswerError(what, f"{len(taken):,} of {count:,} bytes came in the time there was")
    return bytes(taken[:count])
