"""A checkpoint's headers on the hub: each file's by one range request, many at once."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager

from anatomy.blueprint import TensorHeader
from anatomy.source import kept
from anatomy.source.folder import Stored
from anatomy.source.jsonfile import parse_object
from anatomy.source.ranges import FIRST_BYTES, fetch_document, fetch_header
from anatomy.source.sharded import INDEX_FILE, SINGLE_FILE, join_shards, missing_shards, read_weight_map

_PARALLEL_REQUESTS = 6
"""More wait for each other in Python where the hub is near, and are told to wait (429) where it is far."""

_BYTES_PER_ENTRY = 200
"""Of a header, beside the tensor's name; dtype, shape and offsets take about 90 where nothing pads them."""

_BYTES_BESIDE_ENTRIES = 4_096
"""Of a header: its length, and what libraries write under __metadata__."""


def fetch_stored(repo: str, revision: str, tell: Callable[[str], None]) -> Stored | None:
    """The checkpoint's headers from the hub; None where it has no safetensors files under the usual names.

    `tell` hears of each shard. Raises `SourceError` for what is not valid, and what `fetch_part` raises for what
    cannot be had.
    """
    with _threads() as pool:
        single = pool.submit(fetch_and_keep, repo, SINGLE_FILE, revision)
        index = pool.submit(fetch_json, repo, INDEX_FILE, revision)
        if (tensors := single.result()) is not None:
            return tensors, ()
        if (data := index.result()[0]) is None:
            return None
        what = f"{repo}'s {INDEX_FILE}"
        weight_map = read_weight_map(parse_object(data, what=what), what=what)
        kept.keep_document(repo, revision, INDEX_FILE, data)
        return join_shards(weight_map, _fetch_shards(pool, repo, revision, weight_map, tell), what=what)


def fetch_json(repo: str, file: str, revision: str | None) -> tuple[bytes | None, str | None]:
    """(a JSON file's bytes, the commit they are of); no bytes where the hub has no such file."""
    from huggingface_hub.errors import RemoteEntryNotFoundError

    try:
        part = fetch_document(repo, file, revision=revision)
    except RemoteEntryNotFoundError as error:
        commit = error.response.headers.get("X-Repo-Commit", "")
        return None, commit if kept.is_commit(commit) else None
    return part.data, part.commit


def _fetch_shards(
    pool: ThreadPoolExecutor,
    repo: str,
    revision: str,
    weight_map: Mapping[str, str],
    tell: Callable[[str], None],
) -> dict[str, tuple[TensorHeader, ...]]:
    """{file: its tensors} of every file that the index names, kept for the next time."""
    lengths = _lengths(weight_map)
    if (known := kept.recall_headers(repo, revision, INDEX_FILE, lengths)) is not None:
        return known  # another branch or tag of the same commit
    asked = {
        pool.submit(_fetch_header, repo, file, revision, max(length, FIRST_BYTES)): file
        for file, length in lengths.items()
    }
    shards: dict[str, tuple[TensorHeader, ...]] = {}
    headers: dict[str, bytes] = {}
    for number, answered in enumerate(as_completed(asked), 1):
        tell(f"reading the header of shard {number} of {len(asked)}")
        file, found = asked[answered], answered.result()
        if found is None:
            raise missing_shards([file], what=f"{repo}'s {INDEX_FILE}")
        headers[file], shards[file] = found
    kept.keep_headers(repo, revision, INDEX_FILE, headers)
    return shards


def _lengths(weight_map: Mapping[str, str]) -> dict[str, int]:
    """{file: about how long its header is at most}, so that hardly any is asked for twice."""
    lengths: dict[str, int] = {}
    for tensor, file in weight_map.items():
        lengths[file] = lengths.get(file, _BYTES_BESIDE_ENTRIES) + len(tensor) + _BYTES_PER_ENTRY
    return lengths


def fetch_and_keep(repo: str, file: str, revision: str) -> tuple[TensorHeader, ...] | None:
    """One file's headers, kept for the next time; None when the hub has no such file."""
    if (tensors := kept.recall_header(repo, revision, file)) is not None:
        return tensors  # another branch or tag of the same commit
    found = _fetch_header(repo, file, revision, FIRST_BYTES)
    if found is None:
        return None
    data, tensors = found
    kept.keep_header(repo, revision, file, data)
    return tensors


def _fetch_header(
    repo: str, file: str, revision: str, expected: int
) -> tuple[bytes, tuple[TensorHeader, ...]] | None:
    """As `fetch_header`; None when the hub has no such file."""
    from huggingface_hub.errors import RemoteEntryNotFoundError

    try:
        return fetch_header(repo, file, revision=revision, expected=expected)
    except RemoteEntryNotFoundError:
        return None


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Threads for requests; when one has failed, those not begun never are."""
    pool = ThreadPoolExecutor(_PARALLEL_REQUESTS)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
