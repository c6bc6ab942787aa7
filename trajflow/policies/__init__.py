"""What to compute and what to reuse in a run without sources; each is one file and a `StepPolicy`."""
