"""The judge as the benchmarks read it: its network in half precision, with what every held-out target asks for.

    python -m tools.world.asked --judge runs/world/judge --out benchmarks/data/judge.safetensors

What a target asks for is known from how it was drawn; no text is read.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from safetensors.torch import save_file

from benchmarks.chains import read_chains
from benchmarks.world_judge import Asked, store
from benchmarks.world_network import Network
from tools.world.chains import walk
from tools.world.edits import Edit
from tools.world.judge import read_judge
from tools.world.pairs import edit_of
from tools.world.requests import REQUESTS, edits_of
from tools.world.wanted import asked_by
from trajflow.assets import asset
from trajflow.learning.pairs import read_pairs

_SPLIT = "heldout"


def held_out() -> tuple[Asked, ...]:
    """What every target of the held-out pairs, requests and chains asks for, each once."""
    everything = (each for prompt, edit in targets() for each in asked_by(edit, prompt))
    return tuple({(each.prompt, each.negative): each for each in everything}.values())


def release(network: Network, asked: Sequence[Asked], path: Path) -> None:
    """Write the file that `benchmarks.judge.load_judge` reads."""
    about, weights = store(network, asked)
    save_file(weights, path, about)


def targets() -> Iterator[tuple[str, Edit]]:
    """Every target with its edit; the first prompt of a chain changes nothing."""
    # Sessions of other lengths have the same targets.
    for number, pair in enumerate(read_pairs(asset("pairs/world_heldout_10.csv"))):
        yield pair.target, edit_of(_SPLIT, number)
    requests = read_pairs(asset("pairs/world_requests_heldout.csv"))
    for number in range(len(requests) // REQUESTS):
        own = requests[number * REQUESTS :][:REQUESTS]
        for request, (_, edit) in zip(own, edits_of(_SPLIT, number), strict=True):
            yield request.target, edit
    for number, chain in enumerate(read_chains(asset("pairs/world_chains_heldout.csv"))):
        told = [each for _, each in walk(_SPLIT, number)]
        for prompt, source, target in zip(chain.prompts, (told[0], *told), told, strict=False):
            yield prompt, Edit(source, target)


def main() -> None:
    """Write the judge of a work folder as the benchmarks read it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge", type=Path, required=True, help="folder with the trained judge.pt")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    release(read_judge(arguments.judge), held_out(), arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
