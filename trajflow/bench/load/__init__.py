"""Many people at once: throughput and fairness, memory over a long day, a full queue, and whose pictures are whose."""

from trajflow.bench.load.measure import measure_app, measure_library

__all__ = ["measure_app", "measure_library"]
