"""What the benchmarks were given once: the judge's weights, and the steps found best for each rival."""

from pathlib import Path

FOLDER = Path(__file__).parent
JUDGE = FOLDER / "judge.safetensors"
RIVALS = FOLDER / "rivals.json"
