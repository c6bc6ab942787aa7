"""What all adapters share: a diffusers pipeline as a `Model`, around the few things that a family supplies.

Every call is what the pipeline's own `__call__` does between the prompt and the picture, taken apart so that each
velocity can be seen, counted and kept. The grid is made by a copy of the pipeline's own scheduler; resolution-dependent
shifting moves sigma to e^mu / (e^mu + 1 / sigma - 1), with mu linear in the number of image tokens (arXiv:2403.03206,
section 5.3.2).
"""

import copy
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.flux.pipeline_flux import calculate_shift
from diffusers.utils.torch_utils import get_module_execution_device, randn_tensor
from PIL.Image import Image
from torch import Tensor
from transformers import CLIPTokenizer

from trajflow.base import Conditioning, Evaluation, Level, Point, Residual, Schedule, Vocabulary
from trajflow.errors import ModelError, NumericalError, RequestError
from trajflow.models.defaults import COMMON, check_scheduler, check_whole, make_defaults
from trajflow.models.identity import Identity
from trajflow.models.seam import RecordingCall, ReplayCall, Seam
from trajflow.models.vocabulary import read_vocabulary

# Tokenizers written in Rust refuse to be used by two threads at once, and pipelines may share one.
ENCODING = threading.Lock()
Network = Callable[..., Any]


class Calls(Protocol):
    """The network as a family's `guide` reaches it: as it is, or where it is cut open (`seam.py`)."""

    def knows(self, call: str) -> bool:
        """Whether the call of that name can be answered."""

    def __call__(self, call: str) -> Network:
        """The network for the call of that name; an adapter that calls it several times a step names each."""


class PlainCall:
    """The network as it is: nothing is kept or put back."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def knows(self, call: str) -> bool:
        """Every call is answered."""
        return True

    def __call__(self, call: str) -> Network:
        """The network."""
        return self._network


class Adapter(ABC):
    """A pipeline as a velocity field. A family names its parts below and supplies the abstract methods.

    `encoders` and `tokenizers` are names of the pipeline's components, one for the other, of which `optional` ones may
    be None; `text_length` is that of the text unless `max_sequence_length` says otherwise, which may be `longest_text`
    at most; up to a guidance of `unguided` a negative prompt is not asked; `seam` is where the transformer is cut open
    for what `levels` keep. `settings` are those of `takes`.
    """

    family: str
    takes: tuple[str, ...] = COMMON
    levels: tuple[Level, ...] = ("stack", "blocks", "velocity")
    encoders: tuple[str, ...] = ("text_encoder",)
    tokenizers: tuple[str, ...] = ("tokenizer",)
    optional: tuple[str, ...] = ()
    text_length = 512
    longest_text: float = math.inf
    unguided = -math.inf
    most_prompts = 1
    seam: Seam

    def __init__(self, pipeline: DiffusionPipeline, name: str, settings: Mapping[str, Any]) -> None:
        self.name = name
        self.pipeline = pipeline
        self._check()
        self.text_length = int(settings.get("max_sequence_length", self.text_length))
        if self.text_length > self.longest_text:
            raise ModelError(
                f"max_sequence_length is {self.text_length}; {self.family} takes texts of at most {self.longest_text} "
                "tokens."
            )
        self.defaults = make_defaults(settings, *self.usual, self.side, self.size_multiple, self.largest_side)
        self._identity = Identity(pipeline, ("transformer", *self.encoders, "vae"), self.tokenizers)
        # Where diffusers has read the pipeline from; empty for one that was put together by hand.
        self._vocabulary = read_vocabulary(Path(pipeline.name_or_path)) if pipeline.name_or_path else None

    def _check(self) -> None:
        """Raise ModelError for a pipeline that cannot be used as it is now."""
        check_scheduler(self.pipeline)
        check_whole(self.pipeline, self.needed)

    @property
    def needed(self) -> tuple[str, ...]:
        """Names of the components that must be there."""
        parts = ("transformer", "vae", *self.encoders, *self.tokenizers)
        return tuple(part for part in parts if part not in self.optional)

    @property
    @abstractmethod
    def usual(self) -> tuple[int, float]:
        """Steps and guidance of a request that names none."""

    @property
    @abstractmethod
    def guided_by(self) -> str:
        """How velocities are guided, for the identity."""

    @abstractmethod
    def encode_text(self, prompt: str, negative_prompt: str, guidance: float) -> dict[str, Tensor]:
        """The tensors of a conditioning; one thread at a time is here."""

    @abstractmethod
    def guide(
        self, x: Tensor, point: Point, conditioning: Conditioning, calls: Calls
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The guided velocity at x and the branches it is made of; `calls(name)` is the network."""

    @property
    def side(self) -> int:
        """Of the usual picture, in pixels."""
        return self.pipeline.default_sample_size * self.pipeline.vae_scale_factor

    @property
    def size_multiple(self) -> int:
        """Of which sides are multiples, in pixels: a token is 2 x 2 places of the decoder's latents."""
        return 2 * self.pipeline.vae_scale_factor

    @property
    def largest_side(self) -> int:
        """In pixels."""
        return 2048

    @property
    def latents(self) -> tuple[int, int]:
        """Channels of x, and how many pixels wide one of its places is."""
        return self.pipeline.transformer.config.in_channels, self.pipeline.vae_scale_factor

    def grid(self, steps: int, shape: tuple[int, ...]) -> Mapping[str, Any]:
        """What `read_grid` is told to make a grid of that many steps: `steps` or unshifted `sigmas`, and `mu`."""
        tokens = (shape[-2] // 2) * (shape[-1] // 2)
        return {"sigmas": even_sigmas(steps), "mu": shift_for(self.pipeline.scheduler, tokens)}

    def facts(self) -> Mapping[str, Any]:
        """What decides a velocity besides the pipeline's parts."""
        return {"text_length": self.text_length, "guidance": self.guided_by}

    @property
    def noise_dtype(self) -> torch.dtype:
        """What noise is drawn in: as a rule the dtype of the text states."""
        return getattr(self.pipeline, self.encoders[-1]).dtype

    def decode_latents(self, x: Tensor) -> Tensor:
        """Pixels [1, 3, H, W] of latents at sigma = 0, as the image processor takes them."""
        vae = self.pipeline.vae
        latents = (x.to(vae.dtype) / vae.config.scaling_factor) + vae.config.shift_factor
        return vae.decode(latents.to(get_module_execution_device(vae)), return_dict=False)[0]

    def join(self, each: Sequence[Conditioning]) -> Conditioning:
        """Several prompts as one conditioning, for a family of more than one in `most_prompts`."""
        [only] = each
        return only

    @property
    def device(self) -> torch.device:
        """Where the pipeline computes."""
        return self.pipeline._execution_device

    @property
    def is_displaced_by_decoding(self) -> bool:
        """Whether decoding moves the network off its device, as with model offload."""
        return getattr(getattr(self.pipeline.vae, "_hf_hook", None), "prev_module_hook", None) is not None

    def identity(self) -> Mapping[str, Any]:
        """Everything that decides a picture: weights and configs of all parts, dtype, text length, batch layout.

        Raises ModelError where the pipeline was changed so that it can no longer be used.
        """
        self._check()
        return self._identity.read(self.facts())

    def vocabulary(self) -> Vocabulary | None:
        """The words of `vocabulary.json` in the model's folder, where it has one."""
        return self._vocabulary

    def latent_shape(self, height: int, width: int) -> tuple[int, ...]:
        """[1, C, H / f, W / f] for a picture of height x width pixels."""
        channels, scale = self.latents
        return (1, channels, height // scale, width // scale)

    @torch.no_grad()
    def encode(self, prompt: str, negative_prompt: str, guidance: float) -> Conditioning:
        """What the text encoders say, with a warning of what changes nothing.

        Raises RequestError for a negative prompt to a model that has no use for one, NumericalError for NaN.
        """
        with ENCODING:
            self.pipeline.maybe_free_model_hooks()
            tensors = self.encode_text(prompt, negative_prompt, guidance)
            unread = {"prompt": self.unread(prompt), "negative prompt": self.unread(negative_prompt)}
        for tensor in tensors.values():
            check_finite(tensor, "text encoders")
        warnings = [_cut(name, end) for name, end in unread.items() if end]
        if negative_prompt.strip() and guidance <= self.unguided:
            warnings.append(
                f"At guidance {guidance:g} this model does not ask its negative prompt: it changes nothing. "
                f"Raise guidance above {self.unguided:g}."
            )
        return Conditioning(prompt, negative_prompt, guidance, tensors, tuple(warnings))

    def unread(self, text: str) -> str:
        """The end of a text that lies past what each of the text encoders reads; empty where one reads all of it."""
        pairs = zip(self.encoders, self.tokenizers, strict=False)
        present = (getattr(self.pipeline, name) for by, name in pairs if getattr(self.pipeline, by) is not None)
        return min((self._past(tokenizer, text) for tokenizer in present if tokenizer is not None), key=len)

    def told(self, text: str) -> str:
        """What the tokenizer is given for a text: itself, or what a family writes around it."""
        return text

    @property
    def told_length(self) -> int:
        """How many tokens of that are read."""
        return self.text_length

    def _past(self, tokenizer: Any, text: str) -> str:
        tokenizer, told = getattr(tokenizer, "tokenizer", tokenizer), self.told(text)
        start = told.find(text)
        if not tokenizer.is_fast or start < 0:
            return ""
        # CLIP has positions for so many tokens and no more, whatever length is asked for.
        most = tokenizer.model_max_length if isinstance(tokenizer, CLIPTokenizer) else self.told_length
        most -= tokenizer.num_special_tokens_to_add() if told == text else 0
        spans = tokenizer(told, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
        return "" if len(spans) <= most else text[max(0, spans[most][0] - start) :]

    def noise(self, seed: int, shape: tuple[int, ...]) -> Tensor:
        """The initial x, from a CPU generator."""
        generator = torch.Generator("cpu").manual_seed(seed)
        return randn_tensor(shape, generator=generator, device=self.device, dtype=self.noise_dtype)

    def schedule(self, steps: int, shape: tuple[int, ...]) -> Schedule:
        """The pipeline's own grid, dynamic shifting included."""
        return read_grid(self.pipeline.scheduler, self.device, **self.grid(steps, shape))

    @torch.no_grad()
    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        """One guided velocity at x, with its branches. Raises ModelError for a level that the model does not have."""
        if keep is not None and keep not in self.levels:
            raise ModelError(f"{self.family} has nothing to keep at level {keep}. Choose {', '.join(self.levels)}.")
        network = self.pipeline.transformer
        if keep is None or keep == "velocity":
            velocity, branches = self.guide(x, point, conditioning, PlainCall(network))
            residual = {"velocity": velocity} if keep else {}
        else:
            calls = RecordingCall(network, self.seam, keep)
            velocity, branches = self.guide(x, point, conditioning, calls)
            residual = calls.residual
        return Evaluation(velocity, branches, len(branches) * len(x), residual)

    @torch.no_grad()
    def reuse(self, x: Tensor, point: Point, conditioning: Conditioning, residual: Residual) -> Tensor:
        """The guided velocity at x by what another step has left."""
        if "velocity" in residual:
            return residual["velocity"]
        return self.guide(x, point, conditioning, ReplayCall(self.pipeline.transformer, self.seam, residual))[0]

    @torch.no_grad()
    def decode(self, x: Tensor) -> Image:
        """Latents at sigma = 0 to an RGB picture. Raises NumericalError for NaN, which would show as some colour."""
        pixels = self.decode_latents(x)
        check_finite(pixels, "decoder")
        return self.pipeline.image_processor.postprocess(pixels, output_type="pil")[0]


def even_sigmas(steps: int) -> list[float]:
    """1, 1 - 1 / N, ... 1 / N: what FLUX and its kin hand to the scheduler before it shifts them."""
    return np.linspace(1.0, 1 / steps, steps).tolist()


def spaced(scheduler: FlowMatchEulerDiscreteScheduler, steps: int, grid: Mapping[str, Any]) -> Mapping[str, Any]:
    """`grid`, without its sigmas where the scheduler's config asks for the scheduler's own."""
    return {"steps": steps, "mu": grid["mu"]} if scheduler.config.get("use_flow_sigmas") else grid


def shift_for(scheduler: FlowMatchEulerDiscreteScheduler, tokens: int, *, max_shift: float = 1.15) -> float:
    """mu for a picture of that many image tokens; `max_shift` where the scheduler's config names none."""
    config = scheduler.config
    return calculate_shift(
        tokens,
        config.get("base_image_seq_len", 256),
        config.get("max_image_seq_len", 4096),
        config.get("base_shift", 0.5),
        config.get("max_shift", max_shift),
    )


def read_grid(
    scheduler: FlowMatchEulerDiscreteScheduler,
    device: torch.device,
    *,
    steps: int | None = None,
    sigmas: Sequence[float] | None = None,
    mu: float | None = None,
) -> Schedule:
    """The grid that the scheduler makes of a number of steps or of unshifted sigmas; itself it stays as it is.

    Raises RequestError when there is none: stretching to a terminal sigma takes two steps.
    """
    scheduler = copy.deepcopy(scheduler)
    with np.errstate(invalid="ignore", divide="ignore"):
        scheduler.set_timesteps(steps, device=device, sigmas=sigmas, mu=mu)
    if not torch.isfinite(scheduler.sigmas).all():
        raise RequestError("This model's scheduler cannot make a grid of so few steps. Ask for at least 2.")
    return Schedule(scheduler.sigmas, scheduler.timesteps)


def check_finite(tensor: Tensor, part: str) -> None:
    """Raise NumericalError for NaN or infinity from a part of the model."""
    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
        raise NumericalError(
            f"The model's {part} returned NaN or infinity, so nothing of this run is kept. Try again; if it stays so, "
            "load the model in another dtype."
        )


def _cut(name: str, end: str) -> str:
    """The sentence about the end of a text that nobody reads."""
    shown = end.strip() if len(end.strip()) <= 60 else end.strip()[:57] + "..."
    return (
        f'The {name} is longer than this model\'s text encoders read: "{shown}" at its end changes nothing. Shorten it.'
    )
