"""What the methods are worth: fidelity, evaluations and seconds over pairs of prompts."""

from trajflow.bench.frontier import Measurement, measure
from trajflow.bench.table import markdown, summarise
from trajflow.learning.pairs import Pair, read_pairs, write_pairs

__all__ = ["Measurement", "Pair", "markdown", "measure", "read_pairs", "summarise", "write_pairs"]
