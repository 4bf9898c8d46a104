"""The model's own image processor or feature extractor, and what it makes of a picture or of a sound.

The sizes, tiles, patches and masks that a model is trained on are decided there, so that program is run, on a blank
picture or on silence, rather than restated.
"""

from collections.abc import Mapping
from typing import Any

from anatomy.errors import RecipeError
from anatomy.training.inputs.patches import cuts_patches

PREPROCESSOR = "anatomy_preprocessor"
"""Attribute of a model that was built for a checkpoint with a preprocessor_config.json: its content."""
DEFAULT_SIDE = 1024
"""Pixels of a picture's sides where neither the user nor the model names a size."""
STATED = "the config's own size"
"""Why a picture has the size that its config gives."""
DEFAULT_SECONDS = 30.0
"""Seconds of sound where neither the user nor the model names a length; Whisper's window."""
_NO_SETTINGS = ("image_processor_type", "feature_extractor_type", "processor_class", "auto_map", "backend")


def image_processor(model: Any) -> Any:
    """The image processor of the model's type, with its checkpoint's settings or else its own defaults.

    Raises RecipeError where transformers has none, or none that runs with what is installed.
    """
    settings = preprocessor_of(model)
    named = _named(model) or _of_type(_image_processors(), model.config)
    if named is None:
        raise RecipeError(
            f"transformers names no image processor for the model type '{model.config.model_type}', "
            "and no preprocessor_config.json does."
        )
    cls = next((found for name in _names_to_try(named) if (found := _usable(name)) is not None), None)
    if cls is None:
        raise RecipeError(
            f"The image processor of {type(model).__name__} needs torchvision, which is not installed.",
            hint="pip install torchvision, in the version that belongs to the installed torch",
        )
    return _made(cls, settings or {**_fixed_size(model, cls), **_patches(model, cls)})


def _named(model: Any) -> str | None:
    """The class that the checkpoint's settings name, by transformers' older names too."""
    name = (getattr(model, PREPROCESSOR, None) or {}).get("image_processor_type")
    if not isinstance(name, str):
        return None
    return name.removesuffix("Fast").removesuffix("FeatureExtractor") + (
        "ImageProcessor" if name.endswith("FeatureExtractor") else ""
    )


def feature_extractor(model: Any) -> Any:
    """The same for sound."""
    from transformers.models.auto import feature_extraction_auto as auto

    name = _of_type(auto.FEATURE_EXTRACTOR_MAPPING_NAMES, model.config)
    cls = None if name is None else auto.feature_extractor_class_from_name(name)
    if cls is None:
        raise RecipeError(
            f"transformers has no feature extractor for the model type '{model.config.model_type}'."
        )
    return _made(cls, preprocessor_of(model) or _mel_bins(model))


def only_frames(model: Any, features: Any) -> Any:
    """The features [1, mel bins, frames] that fill an encoder whose table of positions takes no other number of frames.

    None where the extractor's window is the encoder's, as with every Whisper that is published, and for other encoders.
    """
    import torch

    for config in (getattr(model.config, "audio_config", None), model.config):
        positions, bins = (getattr(config, name, None) for name in ("max_source_positions", "num_mel_bins"))
        if isinstance(positions, int) and isinstance(features, torch.Tensor) and features.shape[1] == bins:
            frames = 2 * positions  # the stem's second convolution halves the number of frames
            return None if frames == features.shape[-1] else torch.zeros((1, bins, frames))
    return None


def preprocessor_of(model: Any) -> Mapping[str, Any]:
    """The checkpoint's preprocessor settings; empty where none are known."""
    settings: Mapping[str, Any] = getattr(model, PREPROCESSOR, None) or {}
    return {k: v for k, v in settings.items() if k not in _NO_SETTINGS}


def picture_size(model: Any, processor: Any) -> tuple[int, int, str]:
    """Height and width of a picture as it reaches the processor, and why this size."""
    if not preprocessor_of(model) and (side := config_side(model)) is not None:
        height, width = side
        return height, width, STATED
    size = getattr(processor, "size", None)
    for names in (("height", "width"), ("shortest_edge", "shortest_edge")):
        sides = tuple(_number(size, name) for name in names)
        if all(sides) and not _number(size, "longest_edge"):
            crop = tuple(_number(getattr(processor, "crop_size", None), name) for name in ("height", "width"))
            height, width = crop if all(crop) else sides  # type: ignore[assignment]
            return height, width, "the processor's own size"
    return DEFAULT_SIDE, DEFAULT_SIDE, "a size that nothing states"


def whose_limits(model: Any, processor: Any) -> str:
    """Where the limits come from to which the processor resizes a picture, in words; '' where it does not."""
    if not getattr(processor, "do_resize", False):
        return ""
    if preprocessor_of(model):
        return ", resized as the checkpoint's preprocessor settings say"
    if _fixed_size(model, type(processor)):
        return ", resized to the config's own size"
    return (
        f", resized within the limits that are transformers' defaults for {type(processor).__name__}: "
        "no preprocessor_config.json is known, and the checkpoint's may set others"
    )


def config_side(model: Any) -> tuple[int, int] | None:
    """The picture size that the config of the model, or of its tower, states."""
    parts = (model.config, getattr(model.config, "encoder", None))
    for config in (*(getattr(part, "vision_config", None) for part in parts), *parts):
        side = getattr(config, "image_size", None)
        if isinstance(side, int):
            return side, side
        if isinstance(side, (list, tuple)) and len(side) == 2:
            return int(side[0]), int(side[1])
    return None


def _image_processors() -> Mapping[str, Any]:
    from transformers.models.auto import image_processing_auto as auto

    names: Mapping[str, Any] = auto.IMAGE_PROCESSOR_MAPPING_NAMES
    return names


def _of_type(names: Mapping[str, Any], config: Any) -> Any:
    """The entry of the config's type, or of the tower's in it."""
    nested = (
        getattr(config, part, None) for part in ("vision_config", "audio_config", "encoder", "encoder_config")
    )
    types = [str(getattr(part, "model_type", "")) for part in (config, *nested)]
    types += _of_one_processor(types[0])
    types += [kind for kind in names if types[0].startswith(f"{kind}_")]  # a part of it that is built alone
    return next((names[kind] for kind in types if names.get(kind)), None)


def _of_one_processor(model_type: str) -> list[str]:
    """Model types whose checkpoints are used with the same Processor class as this type's."""
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    own = PROCESSOR_MAPPING_NAMES.get(model_type)
    return [kind for kind, name in PROCESSOR_MAPPING_NAMES.items() if own and name == own]


def _names_to_try(named: Any) -> tuple[str, ...]:
    """torchvision's class first, as transformers takes it, then the one that needs Pillow alone."""
    if isinstance(named, Mapping):
        return tuple(name for backend in ("torchvision", "pil") if (name := named.get(backend)))
    return tuple(name for name in reversed(named) if name) if isinstance(named, (list, tuple)) else (named,)


def _usable(name: str) -> Any:
    """The class, or None where a package that it needs is missing."""
    from transformers.models.auto import image_processing_auto as auto

    try:
        cls = auto.get_image_processor_class_from_name(name)
    except ImportError:
        return None
    return None if cls is None or getattr(cls, "is_dummy", False) or hasattr(cls, "_backends") else cls


def _fixed_size(model: Any, cls: Any) -> dict[str, Any]:
    """The class's default size made the tower's, where both are fixed: a checkpoint's file would say the same."""
    side, size = config_side(model), getattr(cls, "size", None)
    if side is None or not isinstance(size, Mapping) or "longest_edge" in size or cuts_patches(cls):
        return {}
    height, width = side
    fixed: dict[str, Any] = {"size": _same_keys(size, height, width)}
    crop = getattr(cls, "crop_size", None)
    return {**fixed, "crop_size": {"height": height, "width": width}} if crop is not None else fixed


_OF_PATCHES = {
    "patch_size": ("patch_size",),
    "temporal_patch_size": ("temporal_patch_size",),
    "merge_size": ("spatial_merge_size", "merge_size"),
}
"""Setting of a processor -> what the tower's config may call it."""


def _patches(model: Any, cls: Any) -> dict[str, int]:
    """The class's default patches made the tower's."""
    tower, found = getattr(model.config, "vision_config", None), {}
    for name, spellings in _OF_PATCHES.items():
        values = (getattr(tower, spelling, None) for spelling in spellings)
        value = next((value for value in values if isinstance(value, int)), None)
        if value is None and name == "temporal_patch_size" and tower is not None:
            value = 1  # the tower knows nothing of time
        if value is not None and isinstance(getattr(cls, name, None), int):
            found[name] = value
    return found


def _same_keys(size: Mapping[str, Any], height: int, width: int) -> dict[str, int]:
    return {"height": height, "width": width} if "height" in size else {"shortest_edge": min(height, width)}


def _mel_bins(model: Any) -> dict[str, Any]:
    """The extractor's number of mel bins made the encoder's."""
    for config in (
        getattr(model.config, "audio_config", None),
        getattr(model.config, "encoder_config", None),
        model.config,
    ):
        bins = getattr(config, "num_mel_bins", None)
        if isinstance(bins, int):
            return {"feature_size": bins}
    return {}


def _made(cls: Any, settings: Mapping[str, Any]) -> Any:
    try:
        return cls(**settings)
    except (ImportError, TypeError, ValueError, AttributeError, KeyError) as error:
        raise RecipeError(f"{cls.__name__} cannot be made: {first_line(error)}.") from error


def first_line(error: BaseException) -> str:
    """What an error says first, without the advice that follows."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line), "no message").rstrip(".")


def _number(size: Any, name: str) -> int | None:
    value = size.get(name) if isinstance(size, Mapping) else getattr(size, name, None)
    return value if isinstance(value, int) else None
