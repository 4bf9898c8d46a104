"""Number formats: their widths and the names that safetensors files, torch and configs use for them."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class DType:
    """One number format."""

    name: str
    """torch's name, e.g. 'bfloat16'."""
    bits: int
    """Width of one element in bits; below 8 several elements share a byte."""
    safetensors: str | None = None
    """The tag in a safetensors header, e.g. 'BF16'; None when the format has none."""
    aliases: tuple[str, ...] = ()
    """Other spellings that users and configs write."""

    def bytes_for(self, elements: int) -> int:
        """Bytes that hold `elements` packed elements, rounded up to a whole byte."""
        return -(-elements * self.bits // 8)


DTYPES: tuple[DType, ...] = (
    DType(name="float64", bits=64, safetensors="F64", aliases=("fp64", "double")),
    DType(name="float32", bits=32, safetensors="F32", aliases=("fp32", "float")),
    DType(name="bfloat16", bits=16, safetensors="BF16", aliases=("bf16",)),
    DType(name="float16", bits=16, safetensors="F16", aliases=("fp16", "half")),
    DType(name="float8_e4m3fn", bits=8, safetensors="F8_E4M3", aliases=("fp8",)),
    DType(name="float8_e5m2", bits=8, safetensors="F8_E5M2"),
    DType(name="float8_e4m3fnuz", bits=8, safetensors="F8_E4M3FNUZ"),
    DType(name="float8_e5m2fnuz", bits=8, safetensors="F8_E5M2FNUZ"),
    DType(name="float8_e8m0fnu", bits=8, safetensors="F8_E8M0"),
    DType(name="float6_e2m3", bits=6, safetensors="F6_E2M3"),
    DType(name="float6_e3m2", bits=6, safetensors="F6_E3M2"),
    DType(name="float4_e2m1fn_x2", bits=4, safetensors="F4", aliases=("fp4",)),
    DType(name="complex64", bits=64, safetensors="C64"),
    DType(name="int64", bits=64, safetensors="I64"),
    DType(name="int32", bits=32, safetensors="I32"),
    DType(name="int16", bits=16, safetensors="I16"),
    DType(name="int8", bits=8, safetensors="I8"),
    DType(name="uint64", bits=64, safetensors="U64"),
    DType(name="uint32", bits=32, safetensors="U32"),
    DType(name="uint16", bits=16, safetensors="U16"),
    DType(name="uint8", bits=8, safetensors="U8"),
    DType(name="bool", bits=8, safetensors="BOOL"),
)

BY_NAME: dict[str, DType] = {n: d for d in DTYPES for n in (d.name, *d.aliases)}
BY_SAFETENSORS: dict[str, DType] = {d.safetensors: d for d in DTYPES if d.safetensors}
