"""Scores of pictures by other packages, where they and their weights are there already: nothing is downloaded.

`lpips` to the from-scratch picture (arXiv:1801.03924, lower is nearer), `clip`, 100 times the cosine of picture and
prompt, and `image_reward` (arXiv:2304.05977). A judge of one's own is any callable of a picture and its prompt that
returns a number, named as module:function.
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image

from trajflow.errors import RequestError

# A picture, the from-scratch one, and the prompt.
Score = Callable[[Image, Image, str], float]
CLIP = "openai/clip-vit-large-patch14"
ALEXNET = "alexnet-owt-7be5be79.pth"
IMAGE_REWARD = Path.home() / ".cache" / "ImageReward" / "ImageReward.pt"


def find_scores(judge: str | None = None) -> tuple[dict[str, Score], dict[str, str]]:
    """The scores that can be given here, and why the others cannot. Raises RequestError for a judge that is not one."""
    scores: dict[str, Score] = {}
    absent: dict[str, str] = {}
    makers: Mapping[str, Callable[[], Score]] = {"lpips": _lpips, "clip": _clip, "image_reward": _image_reward}
    for name, make in makers.items():
        try:
            scores[name] = make()
        # Packages that are no dependency fail in ways of their own; a report does without them.
        except Exception as error:
            absent[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'not there'}"
    if judge is not None:
        scores["judge"] = _judge(judge)
    else:
        absent["judge"] = "none was given"
    return scores, absent


def _judge(name: str) -> Score:
    module, _, attribute = name.partition(":")
    # A command's own folder comes first in the path, and a judge lies where the command is given.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        judged = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise RequestError(f"The judge {name!r} is not there ({error}). Name it as module:function.") from error
    if not callable(judged):
        raise RequestError(f"The judge {name!r} cannot be called. Name a function of a picture and its prompt.")
    return lambda picture, _, prompt: float(judged(picture, prompt))


def _lpips() -> Score:
    weights = Path(torch.hub.get_dir()) / "checkpoints" / ALEXNET
    if importlib.util.find_spec("lpips") and not weights.exists():
        raise FileNotFoundError(f"{ALEXNET} is not in {weights.parent}")
    network = importlib.import_module("lpips").LPIPS(net="alex", verbose=False).eval()

    def score(picture: Image, reference: Image, _: str) -> float:
        with torch.no_grad():
            return float(network(_tensor(picture), _tensor(reference)))

    return score


def _clip() -> Score:
    from transformers import CLIPModel, CLIPProcessor

    model = CLIPModel.from_pretrained(CLIP, local_files_only=True).eval()
    processor: Any = CLIPProcessor.from_pretrained(CLIP, local_files_only=True)

    def score(picture: Image, _: Image, prompt: str) -> float:
        given = processor(text=[prompt], images=picture, return_tensors="pt", padding=True, truncation=True)
        with torch.no_grad():
            seen = model(**given)
        return 100 * float(torch.cosine_similarity(seen.image_embeds, seen.text_embeds))

    return score


def _image_reward() -> Score:
    if importlib.util.find_spec("ImageReward") and not IMAGE_REWARD.exists():
        raise FileNotFoundError(f"there is no {IMAGE_REWARD}")
    model = importlib.import_module("ImageReward").load(str(IMAGE_REWARD))
    return lambda picture, _, prompt: float(model.score(prompt, picture))


def _tensor(picture: Image) -> torch.Tensor:
    """[1, 3, H, W] from -1 to 1."""
    pixels = torch.from_numpy(np.array(picture.convert("RGB"))).float()
    return (pixels / 127.5 - 1).movedim(-1, 0)[None]
