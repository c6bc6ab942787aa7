"""`trajflow bench gpu`: what a run costs on a GPU, on full-size architectures with random weights."""

import json
from pathlib import Path
from typing import Annotated

import typer

from trajflow.cli.shared import Steps, machine, make_folder, read_numbers
from trajflow.errors import RequestError


def gpu(
    arch: Annotated[str, typer.Option(help="sd3-medium, sd3.5-large or flux-dev.")] = "sd3-medium",
    size: Annotated[int | None, typer.Option(min=16, help="Side in pixels. Default: 1024.")] = None,
    steps: Steps = None,
    budgets: Annotated[str, typer.Option(help="Numbers with commas between.")] = "3,5,7,10",
    repeats: Annotated[int, typer.Option(min=1, help="Warm runs of which the medians are taken.")] = 5,
    small: Annotated[bool, typer.Option("--small", help="Little networks: a trial, on a CPU too.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Seconds by phase, overheads and transfers on this device; random weights, so only the time means anything."""
    import torch
    from transformers.utils import logging

    logging.set_verbosity_error()
    from trajflow.bench.gpu import build, markdown, measure

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and not small:
        raise RequestError("There is no GPU here. Add --small to try the command on a CPU.")
    counts = read_numbers(budgets)
    model = build(arch, device, torch.float32 if device.type == "cpu" else torch.bfloat16, is_small=small)
    if json_file is not None:
        make_folder(json_file.parent)
    side = size or model.defaults.height
    total = steps or model.defaults.steps
    figures = measure(model, device, size=side, steps=total, budgets=counts, repeats=repeats, is_small=small)
    asked = f"--arch {arch} --size {side} --steps {total} --budgets {budgets} --repeats {repeats}"
    command = f"trajflow bench gpu {asked}" + (" --small" if small else "")
    report = {"command": command, "architecture": f"{arch}, small" if small else arch, **machine(), **figures}
    typer.echo(markdown(report))
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
