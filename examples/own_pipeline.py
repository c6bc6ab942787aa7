"""A pipeline of your own: anything that diffusers made and trajflow knows, as it lies in memory.

Here it is the bundled one with a scheduler of another shift, and a small transformer of random weights, so the pictures
are noise and only the bookkeeping is real.
"""

import argparse

import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler

import trajflow
from trajflow.models.registry import bundled_folder

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=12)
asked = parser.parse_args()

absent = dict.fromkeys(("text_encoder_3", "tokenizer_3", "image_encoder", "feature_extractor"))
pipeline = DiffusionPipeline.from_pretrained(bundled_folder(), dtype=torch.float32, **absent)
pipeline.scheduler = FlowMatchEulerDiscreteScheduler(shift=2.0)
torch.manual_seed(0)
pipeline.transformer = type(pipeline.transformer).from_config({**pipeline.transformer.config, "num_layers": 2}).eval()
for parameter in pipeline.transformer.parameters():
    torch.nn.init.normal_(parameter, std=0.05)

model = trajflow.load(pipeline, settings={"max_sequence_length": 1, "guidance": 2.0})
session = trajflow.Session(model)
session.generate("a lake", seed=1, steps=asked.steps)
result = session.generate("a lake at night", seed=1, steps=asked.steps, budget=asked.steps // 3, compare=True)
print(f"{model.family}: {result.cost.nfe} of {asked.steps} evaluations, {result.metrics.psnr_db:.1f} dB")
