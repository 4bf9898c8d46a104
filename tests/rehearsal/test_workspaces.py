"""The table of kernel scratch, against sizes worked out by hand from PyTorch's C++ and against published cases."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anatomy.rehearsal.kernels.workspaces import NOT_MODELLED, TABLE, scratch
from anatomy.rehearsal.kernels.workspaces.attention import num_splits, rounded_head
from anatomy.units import MIB

aten = torch.ops.aten
A100 = {"capability": (8, 0), "multiprocessors": 108}
H100 = {"capability": (9, 0), "multiprocessors": 132}
RTX_4090 = {"capability": (8, 9), "multiprocessors": 128}
T4 = {"capability": (7, 5), "multiprocessors": 40}
V100 = {"capability": (7, 0), "multiprocessors": 80}


def meta(*shape, dtype=torch.bfloat16):
    return torch.empty(*shape, dtype=dtype, device="meta")


def sizes(op, *args, gpu=A100, **kwargs):
    """Bytes of every scratch block of one call."""
    blocks = scratch(str(op), args, kwargs, op(*args, **kwargs), **gpu)
    assert all(b.why and b.source and b.when == "during" for b in blocks)
    return [b.bytes for b in blocks]


def heads_last(batch, heads, length, size, dtype=torch.bfloat16):
    """(batch, heads, length, size) as models make it: a view of (batch, length, heads, size)."""
    return meta(batch, length, heads, size, dtype=dtype).transpose(1, 2)


def flash_backward(q, kv, grad=None, gpu=A100):
    forward = aten._scaled_dot_product_flash_attention.default(q, kv, kv, 0.0, True)
    grad = torch.empty_like(q) if grad is None else grad
    length = q.shape[2]
    saved = (forward[0], forward[1], None, None, length, length, 0.0, True, forward[6], forward[7])
    return sizes(aten._scaled_dot_product_flash_attention_backward.default, grad, q, kv, kv, *saved, gpu=gpu)


def efficient_backward(q, k, v, gpu=A100, dropout=0.0):
    forward = aten._scaled_dot_product_efficient_attention.default(q, k, v, None, True, dropout)
    saved = (None, *forward, dropout, [True, True, True, False])
    grad = torch.empty_like(forward[0])
    return sizes(
        aten._scaled_dot_product_efficient_attention_backward.default, grad, q, k, v, *saved, gpu=gpu
    )


# --- flash attention (flash_api.cpp) ---


def test_flash_backward_of_grouped_heads():
    """Llama-3-8B, 4 x 2048: row sums, fp32 dq, dk and dv for all 32 heads."""
    rows = 4 * 32 * 2048
    assert flash_backward(heads_last(4, 32, 2048, 128), heads_last(4, 8, 2048, 128)) == [
        4 * rows,
        128 * MIB,
        64 * MIB,
        64 * MIB,
    ]


def test_flash_backward_rounds_length_to_128_and_head_size_to_32_or_64():
    q = heads_last(1, 2, 100, 80)
    assert flash_backward(q, q) == [4 * 2 * 128, 4 * 2 * 128 * 96]
    assert [rounded_head(d) for d in (8, 64, 96, 128, 136, 160, 192, 256)] == [
        32,
        64,
        96,
        128,
        192,
        192,
        192,
        256,
    ]


def test_flash_backward_copies_a_gradient_that_is_not_in_the_kernels_order():
    q = heads_last(1, 2, 128, 64)
    dense = flash_backward(q, q)
    assert flash_backward(q, q, grad=meta(1, 2, 128, 64)) == [2 * 128 * 64 * 2, *dense]


def test_flash_forward_splits_keys_only_when_the_gpu_would_stand_idle():
    few, many = heads_last(1, 4, 64, 128), heads_last(4, 32, 2048, 128)
    keys = heads_last(1, 4, 4096, 128)
    op = aten._scaled_dot_product_flash_attention.default
    # 4 blocks, 2 x 108 slots, 32 key blocks: all 32 splits give the fullest single wave (128 of 216); 16 give less
    # than 85 % of that.
    assert sizes(op, few, keys, keys) == [4 * 32 * 4 * 64, 4 * 32 * 4 * 64 * 128]
    assert sizes(op, few, keys, keys, 0.1) == []
    assert sizes(op, many, many, many) == []


def test_split_heuristic_reproduces_the_example_in_its_source():
    """ "batch * n_heads = 48 and we have 108 SMs": 2 splits (0.89) are better than 3 (0.67)."""
    assert num_splits(48, 108, 64, 128) == 2
    assert num_splits(87, 108, 64, 128) == 1  # at 80 % of the multiprocessors one split is enough


# --- efficient attention (kernel_backward.h, cutlassB.h) ---


def test_efficient_backward_on_ampere_keeps_keys_in_registers():
    q = heads_last(2, 8, 100, 64)  # tiles of 64 x 64
    assert efficient_backward(q, q, q) == [4 * 16 * 100, 16 * 2 * (16 + 4 * 64 * 64)]
    q = heads_last(1, 32, 2048, 128)  # tiles of 128 x 128
    assert efficient_backward(q, q, q) == [4 * 32 * 2048, 32 * 16 * (16 + 4 * 128 * 128)]


def test_efficient_backward_with_little_shared_memory_stages_keys():
    q = heads_last(1, 32, 2048, 128)
    staged = 6 * 64 * (128 + 128)  # 200 // 32 splits of 64 keys
    queries = 32 * 2 * (16 + 4 * 64 * 64) // 4
    assert efficient_backward(q, q, q, gpu=RTX_4090) == [4 * 32 * 2048, 32 * 4 * (staged + queries)]


def test_efficient_backward_has_a_kernel_for_head_size_96_on_desktop_gpus():
    q = heads_last(1, 4, 256, 96)  # tiles of 128 x 64, in registers
    assert efficient_backward(q, q, q, gpu=RTX_4090) == [4 * 4 * 256, 4 * 2 * 2 * (16 + 4 * 128 * 64)]
    with_dropout = efficient_backward(q, q, q, gpu=RTX_4090, dropout=0.1)  # tiles of 64 x 64, staged
    assert with_dropout == [4 * 4 * 256, 4 * 4 * (4 * 64 * 256 + 4 * 2 * (16 + 4 * 64 * 64) // 4)]


def test_efficient_backward_in_fp32_multiplies_gradient_and_output_first():
    q = heads_last(2, 8, 256, 64, dtype=torch.float32)
    rows = 4 * 16 * 256
    product = [rows * 64, rows, rows]
    workspace = [rows, 16 * 4 * (16 + 4 * 64 * 64)]
    assert sum(product) > sum(workspace)  # 1,081,344 and 1,065,984: the product is at the peak
    assert efficient_backward(q, q, q) == product


def test_efficient_backward_on_older_gpus():
    q = heads_last(1, 2, 64, 128, dtype=torch.float16)
    staged = 64 * (128 + 128)  # one block of 64 keys
    t4 = 4 * 2 * (staged + 2 * (16 + 4 * 64 * 64) // 4)
    assert efficient_backward(q, q, q, gpu=T4) == [4 * 2 * 64, t4]
    # Volta's tile is 128 x 64 and keeps keys in registers: two tiles of columns
    assert efficient_backward(q, q, q, gpu=V100) == [4 * 2 * 64, 2 * 2 * (16 + 4 * 128 * 64)]


def test_efficient_forward_accumulates_wide_heads_in_fp32():
    op = aten._scaled_dot_product_efficient_attention.default
    for size, dtype, expected in ((128, torch.bfloat16, []), (512, torch.bfloat16, [4 * 2 * 64 * 512])):
        q = heads_last(1, 2, 64, size, dtype=dtype)
        assert sizes(op, q, q, q, None, True) == expected
    q = heads_last(1, 2, 64, 512, dtype=torch.float32)
    assert sizes(op, q, q, q, None, True) == []
    latent = heads_last(1, 2, 64, 192), heads_last(1, 2, 64, 128)  # the value's size counts for the output
    assert sizes(op, latent[0], latent[0], latent[1], None, True) == [4 * 2 * 64 * 128]


def test_cudnn_backward_is_one_block():
    q = heads_last(4, 32, 2048, 128)
    forward = aten._scaled_dot_product_cudnn_attention.default(q, q, q, None, True, 0.0, True)
    saved = (*forward[:2], *forward[6:8], None, None, None, 2048, 2048, 0.0, True)
    op = aten._scaled_dot_product_cudnn_attention_backward.default
    assert sizes(op, q, q, q, q, *saved, gpu=H100) == [128 * MIB + MIB]


# --- reductions (Reduce.cuh) ---


@pytest.mark.parametrize(
    ("gpu", "blocks"),
    [(A100, 54), (H100, 66), (RTX_4090, 48)],  # 108 x 16, 132 x 16 and 128 x 12 blocks shared by a grid of 32
)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_column_sum_takes_room_for_a_block_of_threads_per_output(gpu, blocks, dtype):
    """A bias gradient over 8192 tokens x 4096: 32 x 4 threads, each with 4 outputs side by side.

    ReduceConfig::global_memory_size: 4 B x 4096 outputs x blocks per output x 32 threads x 4 outputs.
    """
    expected = [4 * 4096 * blocks * 32 * 4, 4 * 32]
    assert sizes(aten.sum.dim_IntList, meta(8192, 4096, dtype=dtype), [0], gpu=gpu) == expected[:1]
    assert (
        sizes(aten.sum.dim_IntList, meta(4, 2048, 4096, dtype=dtype), [0, 1], True, gpu=gpu) == expected[:1]
    )


def test_row_reductions_stay_inside_a_block():
    assert sizes(aten.mean.dim, meta(4, 2048, 4096, dtype=torch.float32), [-1], True) == []
    assert sizes(aten.sum.dim_IntList, meta(512, 768), [0]) == []  # 512 / 4 per thread: below 256


def test_sum_of_everything_is_small():
    # 512 threads, 2048 values each: 2048 / 16 = 128 blocks, one partial sum each.
    assert sizes(aten.sum.default, meta(1024, 1024, dtype=torch.float32)) == [4 * 128]
    assert sizes(aten.linalg_vector_norm.default, meta(1024, 1024)) == [4 * 128]


def test_sum_of_a_mask_copies_it_to_int64():
    assert sizes(aten.sum.default, meta(8192, dtype=torch.bool))[0] == 8 * 8192
    assert sizes(aten.sum.default, meta(1024, 1024), dtype=torch.float32) == [
        4 * 128
    ]  # 16-bit floats need no copy


def test_max_over_one_dimension_beyond_2_gib():
    """pytorch/pytorch#63869: `torch.rand(1200, 1000, 3, 256).max(dim=2)`, 3.4 GiB, ran out of memory on 24 GiB.

    One (value, index) pair of 16 B per output; before the fix (#63969) four times as much, as strides are in bytes.
    """
    tensor = meta(1200, 1000, 3, 256, dtype=torch.float32)
    (buffer,) = sizes(aten.max.dim, tensor, 2)
    assert buffer == 1200 * 1000 * 256 * 16
    values_and_indices = 1200 * 1000 * 256 * (4 + 8)
    assert 4 * buffer + tensor.nbytes + values_and_indices > 24 * 2**30


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 40_000),
    columns=st.integers(1, 20_000),
    dtype=st.sampled_from([torch.bfloat16, torch.float32]),
)
def test_reductions_depend_on_memory_order_not_on_names_of_dimensions(rows, columns, dtype):
    tensor = meta(rows, columns, dtype=dtype)
    straight = sizes(aten.sum.dim_IntList, tensor, [0])
    assert straight == sizes(aten.sum.dim_IntList, tensor.t(), [1])
    assert straight == sizes(aten.sum.dim_IntList, tensor.view(rows, 1, columns), [0])
    assert straight == sizes(aten.sum.dim_IntList, tensor, [-2])
    assert all(size % 4 == 0 and size > 0 for size in straight)


# --- indices ---


def test_embedding_gradient_sorts_its_indices():
    """4 x 2048 tokens of Llama-3-8B: 819 + 8192 parts of 4096 fp32 numbers, seven lists of indices."""
    tokens = torch.zeros(4, 2048, dtype=torch.int64, device="meta")
    got = sizes(aten.embedding_dense_backward.default, meta(4, 2048, 4096), tokens, 128256, -1, False)
    assert got == [*[8 * 8192] * 5, 8 * 9011, 4 * 9011 * 4096]


def test_embedding_gradient_of_a_small_vocabulary_has_fewer_parts():
    tokens = torch.zeros(8192, dtype=torch.int64, device="meta")
    got = sizes(aten.embedding_dense_backward.default, meta(8192, 64), tokens, 100, -1, False)
    assert got[-1] == 4 * (819 + 100) * 64


def test_embedding_gradient_of_up_to_3072_tokens_needs_nothing():
    for count, blocks in ((3072, 0), (3073, 7)):
        tokens = torch.zeros(count, dtype=torch.int64, device="meta")
        got = sizes(aten.embedding_dense_backward.default, meta(count, 64), tokens, 50257, -1, False)
        assert len(got) == blocks


def test_index_put_sorts_only_when_it_accumulates():
    target, index, values = meta(100, 16), torch.zeros(7, dtype=torch.int64, device="meta"), meta(7, 16)
    assert sizes(aten.index_put.default, target, [index], values, True) == [8 * 7] * 6
    assert sizes(aten.index_put.default, target, [index], values) == []


def test_sort_of_long_rows():
    keys = meta(65536, dtype=torch.int64)
    assert sizes(aten.sort.stable, keys, stable=True) == [8 * 65536] * 3
    assert sizes(aten.sort.default, meta(64, 4096)) == []
    assert sizes(aten.sort.default, meta(4, 8192)) == [8 * 32768, 8 * 32768, 2 * 32768, 2 * 32768, 8 * 32768]


# --- norms ---


def layer_norm_backward(rows, columns, gpu=A100):
    x, weight = meta(rows, columns), meta(columns)
    _, mean, rstd = aten.native_layer_norm.default(x, [columns], weight, weight, 1e-5)
    op = aten.native_layer_norm_backward.default
    return sizes(op, x, x, [columns], mean, rstd, weight, weight, [True, True, True], gpu=gpu)


def test_layer_norm_backward_in_two_passes_only_for_many_short_rows():
    # 131072 rows of 1024: 32 blocks wide, so 32768 / 32 = 1024 partial rows for weight and for bias
    assert layer_norm_backward(131072, 1024) == [1024 * 1024 * 2] * 2
    assert layer_norm_backward(65536, 1024) == []
    assert layer_norm_backward(131072, 4096) == []


def test_rms_norm_backward_has_no_bias():
    x, weight, rstd = meta(131072, 1024), meta(1024), meta(131072, 1, dtype=torch.float32)
    op = aten._fused_rms_norm_backward.default
    assert sizes(op, x, x, [1024], rstd, weight, [True, True]) == [1024 * 1024 * 2]


def test_foreach_norm_has_as_many_chunks_for_every_tensor_as_for_the_largest():
    assert sizes(aten._foreach_norm.Scalar, [meta(65537), meta(1), meta(2)], 2) == [4 * 3 * 2]
    # Llama-3-8B's gradients: 291 tensors, the largest 128256 x 4096 = 8016 chunks
    llama = [meta(128256, 4096)] * 2 + [meta(4096)] * 289
    assert sizes(aten._foreach_norm.Scalar, llama, 2) == [4 * 291 * 8016]


# --- the table ---


def test_every_row_is_an_operator_that_torch_has():
    for name in (*TABLE, *NOT_MODELLED):
        namespace, operator = name.split(".")
        assert namespace == "bitsandbytes" or hasattr(aten, operator)


def test_the_overload_may_be_left_out():
    args = (meta(8192, 4096), [0])
    out = aten.sum.dim_IntList(*args)
    named = scratch("aten.sum.dim_IntList", args, {}, out, **A100)
    assert named == scratch("aten.sum", args, {}, out, **A100) != []


def test_other_overloads_of_max_take_nothing():
    assert sizes(aten.maximum.default, meta(8), meta(8)) == []
    assert sizes(aten.max.other, meta(8), meta(8)) == []


def test_operators_outside_the_table_have_no_scratch():
    assert sizes(aten.mm.default, meta(8, 8), meta(8, 8)) == []


def test_the_table_can_be_read_without_torch():
    code = "import sys, anatomy.rehearsal.kernels.workspaces; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
