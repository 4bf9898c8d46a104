"""The header of a safetensors file on the hub, by HTTP range: the weights after it are never asked for."""

import re
from typing import Any

from anatomy.blueprint import TensorHeader
from anatomy.errors import SourceError
from anatomy.source.safetensors import PREFIX_BYTES, header_length, parse_header

_FIRST_BYTES = 100_000
"""Asked for first. huggingface_hub's authors measured that 97 % of headers are shorter
(https://github.com/huggingface/huggingface_hub/pull/1855)."""

_TIMEOUT_SECONDS = 20.0
_RETRIES = 2


def fetch_header(repo: str, file: str, *, revision: str) -> tuple[bytes, tuple[TensorHeader, ...]]:
    """The header's own bytes, and the tensors it describes.

    huggingface_hub's `parse_safetensors_file_metadata` asks for ranges too, but keeps whatever the server
    sends (a server may ignore a range and send the whole file), and its result hides what a hostile header
    holds twice. So the requests are made here, with its session, and the bytes go through our own parser.

    Raises `SourceError` when the header is not valid, huggingface_hub's errors when it cannot be had.
    """
    start, size = _read_start(repo, file, revision, _FIRST_BYTES)
    wanted = PREFIX_BYTES + header_length(start[:PREFIX_BYTES], file=file, size=size)
    if wanted > len(start):
        start, size = _read_start(repo, file, revision, wanted)
    return start[:wanted], parse_header(start, file=file, size=size)


def _read_start(repo: str, file: str, revision: str, count: int) -> tuple[bytes, int | None]:
    """The first `count` bytes of the file and its whole size, if the server says it."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented, but not in its __all__
        build_hf_headers,
        hf_raise_for_status,
        http_stream_backoff,
    )

    headers = {**build_hf_headers(), "Range": f"bytes=0-{count - 1}", "Accept-Encoding": "identity"}
    url = hf_hub_url(repo, file, revision=revision)
    with http_stream_backoff(
        "GET", url, headers=headers, timeout=_TIMEOUT_SECONDS, max_retries=_RETRIES
    ) as response:
        hf_raise_for_status(response)
        return _take(response, count), _whole_size(response, file)


def _take(response: Any, count: int) -> bytes:
    """At most `count` bytes of the body; whatever else the server would send is left on the wire."""
    taken = bytearray()
    for chunk in response.iter_raw(chunk_size=65_536):
        taken += chunk
        if len(taken) >= count:
            break
    return bytes(taken[:count])


def _whole_size(response: Any, file: str) -> int | None:
    """The file's size in bytes, from 'Content-Range: bytes 0-99999/5242880', or from a whole file's length."""
    if response.status_code != 206:
        length = response.headers.get("Content-Length", "")
        return int(length) if length.isdecimal() else None
    content_range = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes 0-\d+/(\d+|\*)", content_range)
    if match is None:
        raise SourceError(
            f"The hub answered the request for the start of {file} with another part: {content_range!r}.",
            "if HF_ENDPOINT names a mirror, check that it serves ranges as the hub does",
        )
    return None if match[1] == "*" else int(match[1])
