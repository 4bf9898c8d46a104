"""Patches that a Processor cuts of what its image processor makes, for models that read nothing else of a picture."""

import math
from collections.abc import Iterator
from typing import Any


def cuts_patches(processor: Any) -> bool:
    """Whether an image processor, or its class, leaves the cutting to the Processor around it, and has a method for it."""
    return hasattr(processor, "patchify_image")


def cut_patches(processor: Any, pictures: list[Any]) -> Any:
    """float32 [patches, elements of one] of all pictures, each uint8 [height, width, 3].

    What the image processor makes of a picture is cut down to whole patches, without the padding around them, as
    transformers' `FuyuProcessor._process_images` does (models/fuyu/processing_fuyu.py).
    """
    import torch

    made = processor(
        pictures
    )  # as it is: classes for Pillow cut numpy's arrays, those for torchvision tensors
    size = processor.patch_size
    cut: list[Any] = []
    for picture, tall, wide in zip(
        *(_flat(made[name]) for name in ("images", "image_unpadded_heights", "image_unpadded_widths")),
        strict=True,
    ):
        inner = picture[..., : _whole(tall, size.height), : _whole(wide, size.width)]
        patches = torch.as_tensor(processor.patchify_image(image=inner, patch_size=size))
        cut.append(patches.reshape(-1, patches.shape[-1]))
    return torch.cat(cut)


def _whole(pixels: Any, patch: int) -> int:
    """Up to the next patch's end."""
    return math.ceil(int(pixels) / patch) * patch


def _flat(nested: Any) -> Iterator[Any]:
    """What lists of lists hold, one by one."""
    for item in nested:
        if isinstance(item, (list, tuple)):
            yield from _flat(item)
        else:
            yield item
