"""cuBLAS workspaces: scratch that torch keeps for each handle and stream, taken from its own allocator.

Source: aten/src/ATen/cuda/CublasHandlePool.cpp, parseChosenWorkspaceSize(), and Blas.cpp,
isInputCompliesAddmmCudaLt(). Handles belong to threads: forward and the optimizer run in the main thread, backward
and recomputation in autograd's device thread, so a training step has two workspaces, kept for good.
"""

from typing import Any

_KIB = 1024

DEFAULT = (4096 * 2 + 16 * 8) * _KIB
"""CUBLAS_WORKSPACE_CONFIG's default ":4096:2:16:8": two pieces of 4096 KiB and eight of 16 KiB."""
HOPPER = 4096 * 8 * _KIB
"""":4096:8" for compute capability 9.0; since torch 2.12 for 10.x and 12.0 as well (pytorch#175344)."""
SEPARATE_LT = 1024 * _KIB
"""cuBLASLt's own workspace before torch 2.12, when it began to share cuBLAS's."""

_GEMMS = frozenset(
    {"aten.mm", "aten.addmm", "aten.bmm", "aten.baddbmm", "aten.addmv", "aten.dot", "aten.mv", "aten.linear"}
)


class Workspaces:
    """Which workspaces the two threads have taken so far."""

    def __init__(self, capability: tuple[int, int], torch_version: tuple[int, int]) -> None:
        self._size = workspace_bytes(capability, torch_version)
        self._lt_is_separate = torch_version < (2, 12)
        self._taken: set[tuple[str, bool]] = set()

    @property
    def taken(self) -> frozenset[tuple[str, bool]]:
        """(name, whether by backward's thread) of each workspace that is there."""
        return frozenset(self._taken)

    def keep(self, taken: frozenset[tuple[str, bool]]) -> None:
        """Workspaces that were taken before."""
        self._taken |= taken

    def before(self, op: str, in_backward: bool) -> list[tuple[int, str]]:
        """Workspaces (bytes, name) that `op` is the first in its thread to need."""
        if op not in _GEMMS:
            return []
        wanted = [("cublas workspace", self._size)]
        if op == "aten.addmm" and self._lt_is_separate:
            wanted = [("cublasLt workspace", SEPARATE_LT)]
        new = [(size, name) for name, size in wanted if (name, in_backward) not in self._taken]
        self._taken |= {(name, in_backward) for _, name in new}
        return new


def workspace_bytes(capability: tuple[int, int], torch_version: tuple[int, int]) -> int:
    """Default workspace of one handle on one stream."""
    large = {9} if torch_version < (2, 12) else {9, 10, 12}
    return HOPPER if capability[0] in large else DEFAULT


def version_pair(version: Any) -> tuple[int, int]:
    """(major, minor) of a version string such as '2.13.0+cpu'."""
    major, minor = str(version).split(".")[:2]
    return int(major), int(minor)
