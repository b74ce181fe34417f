"""The policy library: no ROS. What others write code against is here by name; nothing is imported before it is asked for."""

from importlib import import_module

_PUBLIC = {
    "Ask": "policy",
    "Decision": "policy",
    "Policy": "policy",
    "DescribedPolicy": "policy",
    "NOTHING_ASKED": "policy",
    "Opening": "opening",
    "load_policy": "opening",
    "Checkpoint": "checkpoint",
    "read_checkpoint": "checkpoint",
    "save_checkpoint": "checkpoint",
    "check_contract": "checkpoint",
    "Embodiment": "native.embodiment",
    "Codec": "native.codecs.base",
    "CodecState": "native.codecs.base",
    "ActionHead": "native.heads.base",
    "HeadAsk": "native.heads.base",
    "HeadBatch": "native.heads.base",
    "HeadSizes": "native.heads.base",
    "Memory": "native.memory",
    "VisionEncoder": "native.encoders.vision",
    "LanguageEncoder": "native.encoders.language",
    "trainable": "native.trainable",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return __all__
