"""What goes in and out of text encoders and decoders, on a small random pipeline."""

from concurrent.futures import ThreadPoolExecutor

import torch


def test_prompts_may_be_encoded_from_several_threads(flow):
    prompts = [f"a red cabin by the sea {number}" for number in range(12)]
    alone = {prompt: flow.encode(prompt, "fog", 3.0).tensors["states"] for prompt in prompts}

    def encode(prompt):
        return torch.equal(flow.encode(prompt, "fog", 3.0).tensors["states"], alone[prompt])

    with ThreadPoolExecutor(8) as people:
        assert all(people.map(encode, prompts * 12))
