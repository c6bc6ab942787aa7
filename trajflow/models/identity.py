"""What makes two pipelines the same model: hashes of weights and vocabularies, configs, adapters, how it is run.

Weights are hashed anew only when a part shows a change: a tensor replaced or written to, or another middle value, which
betrays writing behind autograd's back, as fusing a LoRA does.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from diffusers import DiffusionPipeline
from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from trajflow.errors import ModelError

PASSING = ("architectures", "dtype", "torch_dtype", "transformers_version")


class Identity:
    """The identity of a pipeline as plain JSON, as `Model.identity` promises it.

    parts: names of the components that decide a picture, the transformer first; those that are None are left out.
    tokenizers: names of the components that cut prompts into tokens.
    """

    def __init__(self, pipeline: DiffusionPipeline, parts: tuple[str, ...], tokenizers: tuple[str, ...]) -> None:
        self._pipeline = pipeline
        self._parts = parts
        self._tokenizers = tokenizers
        self._hashed: dict[str, tuple[tuple, str, dict[str, Any], dict[str, Any]]] = {}
        self._vocabularies: dict[str, tuple[tuple, str]] = {}

    def read(self, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """The identity as the pipeline is now, with the `facts` that the adapter adds.

        Raises ModelError when there are no weights to look at.
        """
        pipeline = self._pipeline
        present = {name: part for name in self._parts if (part := getattr(pipeline, name)) is not None}
        parts = {name: getattr(part, "_orig_mod", part) for name, part in present.items()}
        for name, part in parts.items():
            state = (id(part), state_of(part))
            if name not in self._hashed or self._hashed[name][0] != state:
                self._hashed[name] = (state, digest_weights(part), plain_config(part), adapted_layers(part))
        tokenizers = {name: part for name in self._tokenizers if (part := getattr(pipeline, name)) is not None}
        for name, tokenizer in tokenizers.items():
            size = (id(tokenizer), len(getattr(tokenizer, "tokenizer", tokenizer)))
            if name not in self._vocabularies or self._vocabularies[name][0] != size:
                self._vocabularies[name] = (size, digest_vocabulary(tokenizer))
        return {
            "pipeline": type(pipeline).__name__,
            "weights": [self._hashed[name][1] for name in parts],
            "configs": [self._hashed[name][2] for name in parts],
            "vocabularies": [self._vocabularies[name][1] for name in tokenizers],
            "dtype": str(pipeline.transformer.dtype),
            "device": pipeline._execution_device.type,
            "scheduler": plain_config(pipeline.scheduler),
            **facts,
            **self._unusual(present),
        }

    def _unusual(self, parts: Mapping[str, nn.Module]) -> dict[str, Any]:
        """What only some pipelines have: low-rank adapters, a compiled network, another attention, a decoder that works
        in tiles, a scheduler whose shift is no longer that of its config."""
        found: dict[str, Any] = {}
        adapters = [adapters_of(self._hashed[name][3]) for name in parts]
        if any(adapters):
            found["adapters"] = hashlib.sha256(json.dumps(adapters).encode()).hexdigest()
        transformer, scheduler = parts["transformer"], self._pipeline.scheduler
        if hasattr(transformer, "_orig_mod") or any(part._compiled_call_impl for part in transformer.modules()):
            found["compiled"] = True
        if (attention := attention_of(transformer)) not in ([], [AttentionBackendName.NATIVE.value]):
            found["attention"] = attention
        if getattr(parts["vae"], "use_tiling", False):
            found["tiling"] = True
        if scheduler.shift != scheduler.config.shift:
            found["shift"] = float(scheduler.shift)
        return found


def state_of(part: nn.Module) -> tuple:
    """A quick look at a module's tensors, which changes when they do; moving an offloaded module is no change."""
    tensors = [*part.parameters(), *part.buffers()]
    is_moving = hasattr(part, "_hf_hook")
    return tuple(_place(tensor, is_moving) for tensor in tensors), _middle_values(tensors)


def _place(tensor: Tensor, is_moving: bool) -> tuple[int, int, int]:
    """Which tensor it is, where, and how often it was written to, as far as that stays when its module moves."""
    # A move gives a parameter other data, and puts another tensor in the place of a buffer.
    if is_moving and not isinstance(tensor, nn.Parameter):
        return 0, 0, 0
    return id(tensor), 0 if is_moving else _address(tensor), 0 if tensor.is_inference() else tensor._version


def attention_of(network: nn.Module) -> list[str]:
    """The attention backends of a network's processors; that of diffusers as a whole for those that name none."""
    usual, _ = _AttentionBackendRegistry.get_active_backend()
    processors: Iterator[Any] = (vars(module).get("processor") for module in network.modules())
    named = {each._attention_backend or usual for each in processors if hasattr(each, "_attention_backend")}
    return sorted(AttentionBackendName(name).value for name in named)


def adapted_layers(part: nn.Module) -> dict[str, Any]:
    """The layers of a module that carry low-rank adapters (peft), by name."""
    return {
        name: layer
        for name, layer in part.named_modules()
        if hasattr(layer, "merged_adapters") and isinstance(getattr(layer, "scaling", None), dict)
    }


def adapters_of(layers: Mapping[str, Any]) -> list[Any]:
    """How each layer uses its adapters: their scales, which are active, switched off or merged into the weight."""
    return [
        [name, _scales(layer), layer.active_adapters, layer.disable_adapters, layer.merged_adapters]
        for name, layer in layers.items()
    ]


def _scales(layer: Any) -> list[tuple[str, float]]:
    """By adapter; where adapters are swapped while the network stays compiled, they are tensors."""
    return sorted((adapter, float(scale)) for adapter, scale in layer.scaling.items())


def digest_weights(module: nn.Module) -> str:
    """A fingerprint of a module's tensors: names, shapes, dtypes, a hash over all bits, and up to 256 spread values."""
    digest = hashlib.sha256()
    for name, entry in sorted(module.state_dict().items()):
        if not isinstance(entry, Tensor):
            digest.update(f"{name} {entry!r}".encode())
            continue
        for tensor in _plain(entry):
            if tensor.is_meta:
                raise ModelError(
                    f"The weights of {type(module).__name__} are not in memory, as with sequential CPU offload, so "
                    "runs cannot be told apart. Use pipe.enable_model_cpu_offload() instead."
                )
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            # Apple's GPUs neither hash nor know float64.
            held = tensor if tensor.device.type in ("cpu", "cuda") else tensor.cpu()
            digest.update(torch.hash_tensor(_hashable(held)).cpu().numpy().tobytes())
            flat = held.flatten()
            spread = flat[:: max(1, flat.numel() // 256)].cpu().to(torch.float64)
            digest.update(spread.numpy().tobytes())
    return digest.hexdigest()


def digest_vocabulary(tokenizer: Any) -> str:
    """A fingerprint of what a tokenizer (or a processor that holds one) maps words to, and where it cuts them off.

    A chat template counts: it is wrapped around every prompt.
    """
    holder = getattr(tokenizer, "tokenizer", tokenizer)
    vocabulary = sorted(holder.get_vocab().items())
    template = getattr(tokenizer, "chat_template", None)
    told = f"{holder.model_max_length} {vocabulary}" + (f" {template}" if template else "")
    return hashlib.sha256(told.encode()).hexdigest()


def plain_config(part: Any) -> dict[str, Any]:
    """A part's config as plain JSON, without what saving and loading changes."""
    config = part.config if isinstance(part.config, Mapping) else part.config.to_dict()
    return json.loads(json.dumps(_kept(config), default=str))


def _kept(config: Any) -> Any:
    if not isinstance(config, Mapping):
        return config
    ordered = sorted(((str(key), value) for key, value in config.items()), key=lambda entry: entry[0])
    return {key: _kept(value) for key, value in ordered if not key.startswith("_") and key not in PASSING}


def _plain(tensor: Tensor) -> Iterator[Tensor]:
    """The ordinary tensors that a tensor is made of: a quantised weight holds several."""
    if is_traceable_wrapper_subclass(tensor):
        names, _ = tensor.__tensor_flatten__()
        for name in names:
            yield from _plain(getattr(tensor, name))
    else:
        yield tensor.detach().as_subclass(Tensor)


def _hashable(tensor: Tensor) -> Tensor:
    """The same bits as torch can hash them: those of narrow dtypes eight bytes at a time, which is 4 times as fast."""
    if tensor.element_size() >= 4 or tensor.dtype == torch.bool:
        return tensor
    narrow = tensor.contiguous().view(-1).view(torch.uint8)
    return narrow.view(torch.int64) if narrow.numel() % 8 == 0 else narrow


def _address(tensor: Tensor) -> int:
    return 0 if is_traceable_wrapper_subclass(tensor) else tensor.data_ptr()


def _middle_values(tensors: list[Tensor]) -> tuple:
    """One value from the middle of each ordinary matrix or kernel, by dtype and device."""
    groups: dict[tuple, list[Tensor]] = {}
    for tensor in tensors:
        if tensor.ndim > 1 and tensor.numel() and not tensor.is_meta and not is_traceable_wrapper_subclass(tensor):
            middle = sum(size // 2 * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
            value = tensor.detach().as_subclass(Tensor).as_strided((), (), tensor.storage_offset() + middle)
            groups.setdefault((value.dtype, value.device), []).append(value)
    # Offloaded parts move between devices: the device groups the values, but is no part of what is compared.
    return tuple((str(dtype), *map(str, torch.stack(values).tolist())) for (dtype, _), values in groups.items())
