"""The autoencoder: learn to reconstruct renders, then polish the decoder alone.

First encoder and decoder together: L1, every level of a Laplacian pyramid, what the judge's early layers see, a light
KL term; and latents made half as large must decode to the picture made half as large (arXiv:2502.14831), as a flow
learns latents whose fine structure is that of the picture with fewer samples. The posterior starts almost deterministic
(log-variance -6): at 0 its noise drowns what is encoded. Then the decoder alone, with a small PatchGAN
(arXiv:1611.07004) beside the same terms, which leaves the latents as they are.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from tools.world import stage
from tools.world.judge import Judge
from tools.world.network import Shape, build_autoencoder
from tools.world.optimizer import Optimizer, follow
from tools.world.pictures import Album

FIRST_LOGVAR = -6.0
LEVELS = 4
EMA = 0.998


@dataclass(frozen=True)
class AutoencoderRecipe:
    """Steps, pictures a step, the side of their random crops in pixels, for both parts; and what each term counts."""

    steps: int = 3000
    polish_steps: int = 3000
    batch: int = 8
    crop: int = 96
    features: float = 0.3
    kl: float = 5e-5
    half: float = 0.25
    adversary: float = 0.02


def laplacian_pyramid(images: Tensor, levels: int = LEVELS) -> list[Tensor]:
    """[B, C, H, W] as `levels` bands, the finest first: what 2 x 2 averaging loses, then what is left."""
    bands = []
    for _ in range(levels - 1):
        smaller = avg_pool2d(images, 2)
        bands.append(images - interpolate(smaller, scale_factor=2.0, mode="bilinear"))
        images = smaller
    return [*bands, images]


def reconstruction_loss(output: Tensor, target: Tensor) -> Tensor:
    """L1 on pixels and on every band of the pyramid of their difference; both [B, 3, H, W]."""
    error = output - target
    return error.abs().mean() + torch.stack([band.abs().mean() for band in laplacian_pyramid(error)]).sum()


def feature_loss(judge: Judge, output: Tensor, target: Tensor) -> Tensor:
    """Mean squared distance of the judge's first three stages, each position's features brought to length one."""
    losses = []
    with torch.no_grad():
        wanted = judge.features(target)
    for seen, there in zip(judge.features(output)[:3], wanted, strict=False):
        difference = nn.functional.normalize(seen.float(), dim=1) - nn.functional.normalize(there.float(), dim=1)
        losses.append(difference.square().sum(dim=1).mean())
    return torch.stack(losses).sum()


class PatchCritic(nn.Sequential):
    """Says of every patch of [B, 3, H, W] whether it is a render (positive) or a reconstruction; 0.14 M parameters."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 32, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 4, 2, 1),
            nn.GroupNorm(8, 64),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 96, 3, 1, 1),
            nn.GroupNorm(8, 96),
            nn.LeakyReLU(0.2),
            nn.Conv2d(96, 1, 3, 1, 1),
        )


def _encode(autoencoder: AutoencoderKL, images: Tensor) -> tuple[Tensor, Tensor]:
    mean, logvar = autoencoder.encoder(images).float().chunk(2, dim=1)
    return mean, logvar.clamp(-30.0, 20.0)


def train_autoencoder(
    album: Album,
    judge: Judge,
    folder: Path,
    shape: Shape,
    recipe: AutoencoderRecipe,
    device: torch.device,
    until: float = float("inf"),
    is_last: bool = False,
    seed: int = 3,
) -> AutoencoderKL | None:
    """Encoder and decoder, trained on or read back from `folder`; averaged weights. None when time ran out before."""
    torch.manual_seed(seed)
    autoencoder = build_autoencoder(shape).to(device, memory_format=torch.channels_last)
    with torch.no_grad():
        autoencoder.encoder.conv_out.bias[autoencoder.config.latent_channels :] = FIRST_LOGVAR
    optimizer = Optimizer(autoencoder, muon=4e-3, adamw=2e-3)
    pace = stage.Pace(recipe.steps, until, is_last)
    average = copy.deepcopy(autoencoder).requires_grad_(False)

    def take_step(step: int) -> dict[str, float]:
        rng, generator = stage.randomness(seed, step)
        if step % 50 == 0:
            album.refresh()
        images = _batch(album, recipe, rng, device)
        with torch.autocast(device.type, torch.bfloat16):
            mean, logvar = _encode(autoencoder, images)
            sample = mean + (0.5 * logvar).exp() * stage.normal(mean.shape, generator, device)
            output = autoencoder.decoder(sample)
            features = feature_loss(judge, output, images)
            half = autoencoder.decoder(avg_pool2d(sample, 2))
        rebuilt = reconstruction_loss(output.float(), images)
        rebuilt_half = reconstruction_loss(half.float(), avg_pool2d(images, 2))
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        (rebuilt + recipe.half * rebuilt_half + recipe.features * features + recipe.kl * kl).backward()
        optimizer.step(pace.factor(step))
        follow(average, autoencoder, step, EMA)
        measured = {"loss": rebuilt.item(), "half": rebuilt_half.item(), "features": features.item(), "kl": kl.item()}
        return measured | {"psnr": _psnr(output, images)}

    parts = {"autoencoder": autoencoder, "average": average, "optimizer": optimizer}
    path = folder / "autoencoder.pt"
    finished = stage.run("autoencoder", take_step, pace, path, parts, device)
    return average.eval() if finished else None


def polish_decoder(
    autoencoder: AutoencoderKL,
    album: Album,
    judge: Judge,
    folder: Path,
    recipe: AutoencoderRecipe,
    device: torch.device,
    until: float = float("inf"),
    is_last: bool = False,
    seed: int = 7,
) -> AutoencoderKL:
    """The autoencoder with its decoder trained on, as far as time allows; the encoder stays."""
    torch.manual_seed(seed)
    trained = copy.deepcopy(autoencoder).to(device, memory_format=torch.channels_last)
    trained.requires_grad_(False)
    trained.decoder.requires_grad_(True)
    critic = PatchCritic().to(device, memory_format=torch.channels_last)
    optimizer = Optimizer(trained.decoder, muon=1.5e-3, adamw=8e-4)
    opponent = Optimizer(critic, muon=1e-3, adamw=5e-4)
    pace = stage.Pace(recipe.polish_steps, until, is_last)
    average = copy.deepcopy(trained.decoder).requires_grad_(False)

    def take_step(step: int) -> dict[str, float]:
        rng, _ = stage.randomness(seed, step)
        if step % 50 == 0:
            album.refresh()
        images = _batch(album, recipe, rng, device)
        with torch.autocast(device.type, torch.bfloat16):
            with torch.no_grad():
                mean, _ = _encode(trained, images)
            output = trained.decoder(mean)
            features = feature_loss(judge, output, images)
            critic.requires_grad_(False)
            fooled = -critic(output).float().mean()
        rebuilt = reconstruction_loss(output.float(), images)
        (rebuilt + recipe.features * features + recipe.adversary * fooled).backward()
        factor = pace.factor(step)
        optimizer.step(factor)
        follow(average, trained.decoder, step, EMA)
        critic.requires_grad_(True)
        with torch.autocast(device.type, torch.bfloat16):
            real, false = critic(images).float(), critic(output.detach()).float()
        hinge = relu(1 - real).mean() + relu(1 + false).mean()
        hinge.backward()
        opponent.step(factor)
        measured = {"loss": rebuilt.item(), "features": features.item(), "critic": hinge.item()}
        return measured | {"psnr": _psnr(output, images)}

    parts = {"decoder": trained.decoder, "average": average, "critic": critic}
    parts |= {"optimizer": optimizer, "opponent": opponent}
    stage.run("polish", take_step, pace, folder / "polish.pt", parts, device)
    polished = copy.deepcopy(autoencoder)
    polished.decoder.load_state_dict(average.state_dict())
    return polished.eval()


def _batch(album: Album, recipe: AutoencoderRecipe, rng, device: torch.device) -> Tensor:
    """Crops of `recipe.crop` pixels; every fourth batch is whole pictures, as many as have about the same pixels."""
    if rng.random() < 0.25:
        pixels = recipe.batch * recipe.crop**2
        images = album.batch(max(1, round(pixels / 192**2)), rng, device=device).images
    else:
        images = album.batch(recipe.batch, rng, recipe.crop, device).images
    return images.contiguous(memory_format=torch.channels_last)


def _psnr(output: Tensor, images: Tensor) -> float:
    """dB, of pictures whose range is 2."""
    return float(-10 * (((output.detach().float() - images) / 2).square().mean()).log10())
