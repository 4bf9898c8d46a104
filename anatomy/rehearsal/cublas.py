"""cuBLAS workspaces: scratch that torch keeps for each handle and stream, taken from its own allocator."""

_KIB = 1024


def workspace_bytes(capability: tuple[int, int]) -> int:
    """Default workspace of one handle on one stream.

    CUBLAS_WORKSPACE_CONFIG's default is ":4096:2:16:8", that is 2 x 4096 KiB + 8 x 16 KiB; from Hopper on 32 MiB.
    Source: aten/src/ATen/cuda/CublasHandlePool.cpp, parseChosenWorkspaceSize().
    """
    return 4096 * 8 * _KIB if capability[0] >= 9 else (4096 * 2 + 16 * 8) * _KIB
