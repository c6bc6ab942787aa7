"""Making room on a device that is full: what was kept there leaves, and the work is tried once more."""

from collections.abc import Callable
from typing import TypeVar

import torch

from trajflow.errors import MemoryExhausted

Made = TypeVar("Made")


def nothing_to_give() -> None:
    """Relief where nothing is kept on the device."""


def retry_on_oom(work: Callable[[], Made], free_memory: Callable[[], None]) -> Made:
    """What `work` returns. Where the device runs out of memory, `free_memory` is called, the allocator's unused blocks
    are given back, and `work`, which must have left nothing behind, is called once more.

    Raises MemoryExhausted when that fails in the same way.
    """
    said = ""
    for is_last in (False, True):
        try:
            return work()
        except torch.OutOfMemoryError as error:
            said = str(error).partition("\n")[0].partition(". ")[0].rstrip(".")
        # Out of the handler: as long as the error lives, its traceback holds the tensors of the work that failed.
        if not is_last:
            free_memory()
            torch.cuda.empty_cache()
    raise MemoryExhausted(
        f"The memory of the device does not suffice, even after cached runs have left it ({said}). Nothing of this run "
        "is kept. Ask for a smaller picture, or load the model with offload=True or tiling=True."
    )
