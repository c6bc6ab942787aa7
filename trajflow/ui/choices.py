"""The strategies as the page offers them: one line each, and those of a kind next to each other."""

from trajflow.strategies import STRATEGIES, Family

# In the order a newcomer may want them.
KINDS: dict[Family, str] = {
    "transport": "Carry over",
    "switch": "Resume",
    "reuse": "Reuse steps",
    "shorter": "Fewer steps",
    "full": "Everything",
}
EXPLAINED: dict[str, str] = {
    "auto": "the planner decides",
    "basis": "a mixture of all cached paths that fit",
    "difference": "the most similar cached path only",
    "shooting": "each gap is guessed, tried and corrected",
    "multiple-shooting": "all gaps are planned and joined where they meet",
    "mpc": "a reference, corrected at every evaluated step",
    "shooting-mpc": "gaps are shot, then kept by the controller",
    "resume": "a cached path first, the new prompt from there",
    "resume-budcache": "resume, then reuse some of the steps left",
    "blend": "resume, with a soft change of prompt",
    "kalman": "resume, old and new weighed by uncertainty",
    "uncertainty-blend": "resume, softer where the cached path is in doubt",
    "flow-blend": "resume, smooth in the time of the flow",
    "derivative-blend": "resume, turning no faster than its path",
    "interval": "every second, third … step is computed",
    "budcache": "the computed steps were searched beforehand",
    "aligned": "as budcache, on a grid moved to suit it",
    "tcc": "as budcache, and what is reused is corrected",
    "fewer-steps": "the model's own solver on a shorter grid",
    "ab2": "a shorter grid, second-order Adams-Bashforth",
    "dpm++2m": "a shorter grid, DPM-Solver++ of second order",
    "unipc": "a shorter grid, UniPC predictor and corrector",
    "baseline": "every step is computed, nothing is taken",
}


def strategies() -> list[tuple[str, str]]:
    """What the list shows and what it stands for: `auto` first, then kind by kind."""
    ordered = sorted(STRATEGIES, key=lambda name: (name != "auto", list(KINDS).index(STRATEGIES[name].family)))
    return [(_line(name), name) for name in ordered]


def _line(name: str) -> str:
    kind = "" if name == "auto" else f"{KINDS[STRATEGIES[name].family]} · "
    return f"{kind}{name}: {EXPLAINED[name]}"
