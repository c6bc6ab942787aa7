"""Many people at once: throughput and fairness, memory over a long day, a full queue, and whose pictures are whose."""
