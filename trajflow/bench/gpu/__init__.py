"""What a run costs on a GPU: full-size architectures with random weights, so only the time means anything."""

from trajflow.bench.gpu.architectures import ARCHITECTURES, build
from trajflow.bench.gpu.report import markdown, measure

__all__ = ["ARCHITECTURES", "build", "markdown", "measure"]
