"""Beside its teacher: `python -m tools.distilled.compare --model FOLDER --out DIR`.

The same held-out prompts and seeds by both models: how near the pictures are, how many attributes the judge reads as
asked, and a contact sheet, the teacher's pictures in the first of every two rows.
"""

import argparse
import json
import statistics
from pathlib import Path

import trajflow
from benchmarks.judge import load_judge
from tools.tiny.judge import contact_sheet
from trajflow.assets import asset
from trajflow.learning.pairs import read_pairs
from trajflow.metrics import compare_images
from trajflow.session import Session

COLUMNS = 8


def main(arguments: list[str] | None = None) -> None:
    """Print what is measured as JSON; write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder of the second model")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--prompts", type=int, default=48, help="of the held-out pairs, spread over their kinds")
    parser.add_argument("--steps", type=int, default=28)
    options = parser.parse_args(arguments)

    pairs = read_pairs(asset("pairs") / "heldout.csv")
    pairs = pairs[:: max(1, len(pairs) // options.prompts)][: options.prompts]
    judge = load_judge()
    pictures, obeyed = [], []
    for name in ("tiny", options.model):
        session = Session(trajflow.load(name), cache_bytes=0)
        made = [
            session.generate(pair.target, seed=pair.seed, steps=options.steps, strategy="baseline").image
            for pair in pairs
        ]
        told = [judge.obeyed(image, pair.target).values() for image, pair in zip(made, pairs, strict=True)]
        pictures.append(made)
        obeyed.append(statistics.fmean(statistics.fmean(each) for each in told))
    agreement = [compare_images(second, first).psnr_db for first, second in zip(*pictures, strict=True)]
    rows = [
        picture
        for first in range(0, len(pairs), COLUMNS)
        for made in pictures
        for picture in made[first : first + COLUMNS]
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    contact_sheet(rows, COLUMNS).save(options.out / "beside.png")
    report = {
        "prompts": len(pairs),
        "psnr_db_median": round(statistics.median(agreement), 2),
        "psnr_db_worst": round(min(agreement), 2),
        "attributes as asked, teacher": round(obeyed[0], 4),
        "attributes as asked, student": round(obeyed[1], 4),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
