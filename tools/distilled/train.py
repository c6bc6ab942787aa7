"""Make the second model of the bundled one: `python -m tools.distilled.train --work runs/distilled --release FOLDER`.

Two stages, each going on where it stopped: lessons, drawn from the teacher; and the student, trained on them. The
folder is one that stock diffusers loads as a FluxPipeline, in half precision, with the settings that trajflow reads.
"""

import argparse
import copy
import time
from pathlib import Path

import torch
from tqdm import tqdm

from tools.distilled.architecture import Shape, Student, assemble, build_student, pooling_encoder
from tools.distilled.lessons import SCENES, Teacher, read_lessons, write_lessons
from tools.distilled.velocity import Recipe, train_student
from tools.tiny.architecture import IMAGE_SIZE, TEXT_TOKENS
from tools.tiny.train import load_released, release

SETTINGS = {"max_sequence_length": TEXT_TOKENS, "steps": 28, "guidance": 3.0, "height": IMAGE_SIZE, "width": IMAGE_SIZE}


def main(arguments: list[str] | None = None) -> None:
    """Draw the lessons that are missing, train, and release the averaged weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--work", type=Path, default=Path("runs/distilled"), help="where lessons and checkpoint are kept"
    )
    parser.add_argument("--teacher", type=Path, default=Path("assets/tiny"), help="a released bundled model")
    parser.add_argument("--release", type=Path, help="where the finished pipeline goes (float16), at every checkpoint")
    parser.add_argument("--shards", type=int, default=44, help="of lessons")
    parser.add_argument("--scenes", type=int, default=SCENES, help="in a shard, 16 lessons of each")
    parser.add_argument("--steps", type=int, default=Recipe.steps, help="counted over all resumptions")
    parser.add_argument("--batch", type=int, default=Recipe.batch)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="train so long at most, and finish then")
    parser.add_argument("--blocks", type=int, nargs=2, default=(Shape.double, Shape.single), help="double and single")
    parser.add_argument("--eager", action="store_true", help="do not compile the networks")
    options = parser.parse_args(arguments)

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    bundled = load_released(options.teacher)
    bundled.transformer.to(device)
    teacher = Teacher(bundled, compiled=not options.eager)
    written = write_lessons(teacher, options.work / "lessons", options.shards, device, options.scenes)
    for _ in tqdm(written, total=options.shards, desc="lessons", mininterval=10):
        pass
    torch.manual_seed(0)
    pooling = pooling_encoder(options.teacher)
    student = build_student(Shape(*options.blocks), bundled.tokenizer)

    def hand_out(average: Student, _: int) -> None:
        if options.release:
            release(assemble(*copy.deepcopy((average, bundled, pooling))), options.release, SETTINGS)

    train_student(
        student,
        pooling,
        read_lessons(options.work / "lessons", options.shards),
        Recipe(options.steps, options.batch),
        options.work / "student.pt",
        device,
        until=time.time() + 60 * options.minutes,
        is_last=True,
        compiled=not options.eager,
        on_save=hand_out,
    )


if __name__ == "__main__":
    main()
