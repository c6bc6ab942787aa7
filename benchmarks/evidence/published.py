"""Every figure of the sources and of near works beside ours: published, here, whether they compare, and why not.

What was not measured leaves `here` empty.
"""

from collections.abc import Mapping, Sequence

from benchmarks.evidence.figure import (
    Figure,
    Rows,
    at_budget,
    batches,
    between,
    conditions,
    nothing,
    of_paths,
    resumed,
    speed,
    tier,
    value,
    without_sources,
)
from trajflow.bench.markdown import table

CACHE, CONTROL = "trajectory cache (note)", "shooting and MPC (notes)"
BUDCACHE, TCC = "BudCache, arXiv 2606.13496", "TCC, arXiv 2605.24870"
OTHER_GPU = "another model, size and machine; the ratio compares"
OTHER_MODEL = "another model at 1024 pixels and other prompts; the order of the rows compares"
TO_OLD = (
    "published against which picture is not said; a picture that stays at the old prompt scores well against it only"
)
NOT_FID = "FID is not measured: its weights do not come along; ours is dB to full compute"

FIGURES = (
    Figure(
        CACHE,
        "seconds, from scratch",
        "2.95 s",
        "numerics",
        value("numerics", "request, from scratch", "s"),
        "no",
        OTHER_GPU,
    ),
    Figure(
        CACHE,
        "exact repeat",
        "1.28 s, 2.31x",
        "numerics",
        speed("exact repeat"),
        "no",
        "a stored picture is shown here: no step is computed",
    ),
    Figure(CACHE, "95 % similar", "1.31 s, 2.25x", "numerics", speed("resume at the tier of 95%"), "ratio", OTHER_GPU),
    Figure(CACHE, "90 % similar", "1.69 s, 1.75x", "numerics", speed("resume at the tier of 75%"), "ratio", OTHER_GPU),
    Figure(CACHE, "85 % similar", "2.03 s, 1.45x", "numerics", speed("resume at the tier of 55%"), "ratio", OTHER_GPU),
    Figure(
        CONTROL,
        "below 0.85",
        "1.10x, 31.4 dB",
        "numerics",
        speed("published, as its tier has it"),
        "no",
        "by the published tiers nothing is resumed there, so nothing can be saved; the text contradicts itself",
    ),
    Figure(
        CACHE, "state: latents only", "15.2 dB, SSIM 0.62, FID 87.4", "state", resumed("latents"), "order", OTHER_MODEL
    ),
    Figure(
        CACHE,
        "state: + generator",
        "15.4 dB, SSIM 0.63, FID 85.1",
        "state",
        resumed("generator"),
        "order",
        "the default scheduler draws nothing after the first noise, so this row cannot differ from the one before",
    ),
    Figure(
        CACHE,
        "state: + partial scheduler",
        "18.7 dB, SSIM 0.71, FID 72.3",
        "state",
        resumed("partial scheduler"),
        "order",
        OTHER_MODEL,
    ),
    Figure(
        CACHE,
        "state: full",
        "39.5 dB, SSIM 0.98, FID 12.5",
        "state",
        resumed("full state"),
        "yes",
        "full state is bit-identical, so its PSNR is infinite; 39.5 dB cannot be the same picture",
    ),
    Figure(
        CACHE,
        "loss of a transfer to the store",
        "0.00e+00",
        "numerics",
        value("numerics", "loss of a copy to the store and back"),
        "yes",
    ),
    Figure(
        CACHE,
        "loss of keeping float16",
        "not given",
        "numerics",
        value("numerics", "largest loss of a float32 velocity kept as float16"),
        "yes",
        "the published run is float16 throughout",
    ),
    Figure(
        CACHE,
        "the same run in float16",
        "not given",
        "numerics",
        value("numerics", "from scratch in float16", "dB to float32"),
        "yes",
    ),
    Figure(
        CACHE,
        "similarity search",
        "< 1 ms",
        "overheads",
        value("overheads", "similarity search among 1,000 prompts", "ms"),
        "yes",
    ),
    Figure(CACHE, "saving a state", "about 1 ms", "overheads", value("overheads", "save a run", "ms"), "yes"),
    Figure(
        CACHE, "restoring a state", "< 1 ms", "overheads", value("overheads", "restore x at 75 % of a run", "ms"), "yes"
    ),
    Figure(
        CACHE,
        "bytes of an entry",
        "about 2.1 MB",
        "overheads",
        value("overheads", "bytes of a cached run, picture and vector included", "bytes", 6),
        "no",
        "one latent of 128 x 128 x 16 and its state there, the noise and every velocity of 16 x 16 x 8 here; "
        "a latent of that size in float16 is 0.5 MB",
    ),
    Figure(CONTROL, "quality above 0.95", "39.5 dB", "tiers", tier(0.95), "no", TO_OLD),
    Figure(CONTROL, "quality 0.90 to 0.95", "38.7 dB", "tiers", tier(0.75), "no", TO_OLD),
    Figure(CONTROL, "quality 0.85 to 0.90", "37.2 dB", "tiers", tier(0.55), "no", TO_OLD),
    Figure(
        CONTROL,
        "trajectory error, direct switch",
        "0.892",
        "paths",
        of_paths("resume", "trajectory_error"),
        "no",
        "called a synthetic metric there, undefined; here the relative distance from the from-scratch path",
    ),
    Figure(
        CONTROL,
        "trajectory error, linear blend",
        "0.453",
        "paths",
        of_paths("blend", "trajectory_error"),
        "no",
        "as above; ours is the logistic blend",
    ),
    Figure(
        CONTROL,
        "trajectory error, single shooting",
        "0.087",
        "paths",
        of_paths("shooting", "trajectory_error"),
        "no",
        "as above",
    ),
    Figure(
        CONTROL,
        "trajectory error, multiple shooting",
        "0.041",
        "paths",
        of_paths("multiple-shooting", "trajectory_error"),
        "no",
        "as above",
    ),
    Figure(
        CONTROL,
        "trajectory error, shooting + MPC",
        "0.023",
        "paths",
        of_paths("shooting-mpc", "trajectory_error"),
        "no",
        "as above",
    ),
    Figure(CONTROL, "PSNR, direct switch", "15.2 dB", "contest", at_budget("resume", 10), "order", OTHER_MODEL),
    Figure(CONTROL, "PSNR, linear blend", "22.4 dB", "contest", at_budget("linear blend", 10), "order", OTHER_MODEL),
    Figure(CONTROL, "PSNR, single shooting", "35.7 dB", "contest", at_budget("shooting", 10), "order", OTHER_MODEL),
    Figure(
        CONTROL,
        "PSNR, multiple shooting",
        "38.2 dB",
        "contest",
        at_budget("multiple-shooting", 10),
        "order",
        OTHER_MODEL,
    ),
    Figure(CONTROL, "PSNR, shooting + MPC", "39.1 dB", "contest", at_budget("shooting-mpc", 10), "order", OTHER_MODEL),
    Figure(
        CONTROL,
        "PSNR, the whole system",
        "not given",
        "contest",
        at_budget("published", 10),
        "order",
        "its parts are published one by one only",
    ),
    Figure(
        CONTROL,
        "PSNR, learned solver, no cache",
        "not compared with",
        "contest",
        at_budget("solver", 10),
        "yes",
        "the rival that the sources leave out",
    ),
    Figure(
        CONTROL,
        "planning, single shooting",
        "45 ms",
        "overheads",
        value("overheads", "shooting", "ms"),
        "no",
        "one evaluation alone is 40 to 50 ms there, and the rollouts described need five to ten",
    ),
    Figure(
        CONTROL,
        "planning, multiple shooting",
        "112 ms",
        "overheads",
        value("overheads", "multiple-shooting", "ms"),
        "no",
        "as above",
    ),
    Figure(
        CONTROL,
        "MPC",
        "3 to 3.6 ms a step",
        "overheads",
        value("overheads", "mpc", "ms a run"),
        "no",
        "there a step, here the whole run beyond its evaluations",
    ),
    Figure(
        CONTROL,
        "velocities of two prompts",
        "up to 75 degrees",
        "paths",
        of_paths("from scratch, old and new prompt", "angle_largest", " degrees at most in a run"),
        "no",
        "at equal steps of two from-scratch runs; the published pair and step are not given",
    ),
    Figure(
        CONTROL,
        "angle at a late switch",
        "up to 75 degrees",
        "paths",
        of_paths("resume", "switch_angle", " degrees"),
        "yes",
        "where `resume` leaves the old path",
    ),
    Figure(
        CONTROL,
        "a push of 0.001 after 10 steps",
        "> 0.1, called exponential",
        "paths",
        of_paths("from scratch, old and new prompt", "push_growth", " times the first distance"),
        "yes",
        "two velocities 0.002 apart in every number, evaluated for ten steps; growth is relative to the first step",
    ),
    Figure(
        CONTROL,
        "conditioning of the Hessian",
        "O(N_p^2), trouble beyond 10",
        "numerics",
        conditions,
        "no",
        "in one direction, the states eliminated; controls are held from the second on, which bounds it",
    ),
    Figure(CONTROL, "several prompts in a batch", "future work", "numerics", batches, "yes", "one CPU thread"),
    Figure(
        CONTROL,
        "transfer of a latent over PCIe",
        "0.8 ms out, 0.7 ms in, 512 KB",
        "",
        nothing,
        "no",
        "needs a GPU: trajflow bench gpu measures the transfers",
    ),
    Figure(
        TCC,
        "FORA with priors",
        "FID 29.83 to 27.35 (PixArt-alpha)",
        "alone",
        between("interval, blocks + scale in order", "interval, blocks", 10),
        "no",
        NOT_FID,
    ),
    Figure(
        TCC,
        "priors in order against a single pass",
        "better, by how much is not given",
        "alone",
        between("interval, blocks + scale in order", "interval, blocks + scale single-pass", 10),
        "sign",
        NOT_FID,
    ),
    Figure(TCC, "the strategy", "FID 27.35", "alone", without_sources("tcc", 10), "no", NOT_FID),
    Figure(
        BUDCACHE,
        "TeaCache at the same latency",
        "15.35 dB, SSIM 0.657, LPIPS 0.412, 2.75 of 6.90 s",
        "block_caches",
        nothing,
        "no",
        "TeaCache's polynomial is fitted for FLUX.1-dev; there is none for the bundled model",
    ),
    Figure(
        BUDCACHE,
        "BudCache-base at the same latency",
        "23.80 dB, SSIM 0.834, LPIPS 0.163, 2.75 of 6.90 s",
        "alone",
        without_sources("budcache, many prompts", 10),
        "no",
        "FLUX.1-dev with iPNDM at 1024 pixels; LPIPS needs its weights",
    ),
    Figure(
        BUDCACHE,
        "6 evaluations",
        "3.73x",
        "alone",
        without_sources("budcache, many prompts", 6),
        "no",
        "time on the bundled model is dominated by text and picture",
    ),
    Figure(
        BUDCACHE,
        "search",
        "minutes, one prompt",
        "alone",
        without_sources("budcache, 1 prompt", 10),
        "yes",
        "seconds are those of the search on one prompt",
    ),
    Figure(
        "ParaTAA, arXiv 2402.09970",
        "the same picture as 100 DDIM steps",
        "7 parallel steps, 4 to 14 times fewer",
        "",
        nothing,
        "no",
        "counts rounds of parallel evaluations, not evaluations: up to 100 in each; its start from a "
        "near prompt's trajectory is the idea of this library",
    ),
    Figure(
        "L2P, arXiv 2604.26365",
        "FLUX.1-dev",
        "4.15x, learned in about 20 s",
        "alone",
        without_sources("solver", 6),
        "no",
        "learned weights on cached features a step; `solver` learns them on velocities, on steps searched for it",
    ),
    Figure(
        "MeanCache, arXiv 2601.19961",
        "FLUX.1, Qwen-Image, HunyuanVideo",
        "4.12x, 4.56x, 3.59x",
        "alone",
        without_sources("solver", 7),
        "no",
        "ratios of latency at a quality of its own choice; ours is dB at equal evaluations",
    ),
    Figure(
        "DBCache, cache-dit's own benchmark",
        "FLUX.1-dev, 50 steps",
        "1.80x at 33.8 dB, 2.66x at 31.5 dB",
        "alone",
        without_sources("solver", 10),
        "order",
        "PSNR to the full run, as here, but of 50 steps and on another model; it decides "
        "by a threshold, so evaluations differ from picture to picture",
    ),
    Figure(
        "Adaptive Guidance, arXiv 2312.12487",
        "rows of the negative branch left out",
        "25 % fewer, same quality",
        "ablation",
        nothing,
        "no",
        "quality there is judged, here the same picture is asked for; see the row on held guidance of the ablation",
    ),
)


def fill(tables: Mapping[str, Rows]) -> list[dict[str, str]]:
    """One row for each figure, with ours as far as it was measured."""
    return [
        {
            "source": figure.source,
            "figure": figure.what,
            "published": figure.published,
            "here": figure.here(tables) or "",
            "comparable": figure.comparable,
            "why": figure.why,
            "command": f"python -m benchmarks evidence --only {figure.part}" if figure.part else "",
        }
        for figure in FIGURES
    ]


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """The same as a table."""
    head = ("source", "figure", "published", "here", "comparable?", "why not, or how")
    names = ("source", "figure", "published", "here", "comparable", "why")
    return table(head, [[row[name] or "–" for name in names] for row in rows])
