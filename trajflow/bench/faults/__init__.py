"""Faults put in on purpose: what is stopped, killed, damaged or out of memory harms nobody else and nothing kept."""
<<<<<<< HEAD

from trajflow.bench.faults.measure import NEEDS, PARTS, QUICK, Size, measure

__all__ = ["NEEDS", "PARTS", "QUICK", "Size", "measure"]
=======
>>>>>>> load
