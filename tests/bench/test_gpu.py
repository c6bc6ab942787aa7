import json
import math

import pytest
import torch
from typer.testing import CliRunner

from trajflow.bench.gpu import ARCHITECTURES, build, markdown
from trajflow.bench.gpu.timing import matrix_rate
from trajflow.cli import app
from trajflow.errors import RequestError

CPU = torch.device("cpu")
PHASES = {"embed", "lookup", "plan", "sample", "decode"}
FIGURES = (
    "evaluation_s",
    "evaluation_flop",
    "matrix_rate_flop_s",
    "share_of_matrix_rate",
    "bare_s",
    "recorded_s",
    "sampled_s",
    "recording_overhead",
    "loop_overhead",
    "trajectory_bytes",
    "to_cpu_gb_s",
    "to_device_gb_s",
    "to_disk_gb_s",
)


@pytest.fixture(scope="module", params=["sd3-medium", "flux-dev"])
def report(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("gpu") / "new" / "out.json"
    asked = ["bench", "gpu", "--arch", request.param, "--small", "--steps", "6", "--budgets", "2,4"]
    done = CliRunner().invoke(app, [*asked, "--repeats", "1", "--json", str(path)])
    assert done.exit_code == 0, done.output
    report = json.loads(path.read_text())
    assert markdown(report) in done.stdout
    return report


@pytest.mark.slow
def test_every_way_is_timed_by_phase_with_what_it_evaluates(report) -> None:
    rows = {(row["what"], row["budget"]): row for row in report["rows"]}
    expected = {("baseline", None): 6, ("exact repeat", None): 0}
    expected |= {(way, budget): budget for way in ("basis", "budcache") for budget in (2, 4)}
    expected |= {("interval", 2): 2, ("interval", 4): 3}
    assert {way: row["nfe"] for way, row in rows.items()} == expected
    is_guided = report["architecture"].startswith("sd3")
    for (way, _), row in rows.items():
        # The cached run of the same seed has the negative branch at the noise.
        shared = 1 if is_guided and way == "basis" else 0
        assert row["rows"] == (2 if is_guided else 1) * row["nfe"] - shared
        assert row["label"] == "random weights: time only"
        assert set(row["seconds"]) == PHASES
        assert 0 < sum(row["seconds"].values()) <= row["total_s"]
        assert row["goal"] == pytest.approx(1.05 * row["nfe"] / 6)
    assert rows["baseline", None]["ratio"] == 1
    base, basis = rows["baseline", None], rows["basis", 2]
    undecoded = [row["total_s"] - row["seconds"]["decode"] for row in (basis, base)]
    assert basis["ratio"] == pytest.approx(undecoded[0] / undecoded[1])


@pytest.mark.slow
def test_the_report_has_all_figures_and_says_what_they_are_not(report) -> None:
    for name in FIGURES:
        assert math.isfinite(report[name]), name
    for name in set(FIGURES) - {"recording_overhead", "loop_overhead"}:
        assert report[name] > 0, name
    share = report["evaluation_flop"] / report["evaluation_s"] / report["matrix_rate_flop_s"]
    assert report["share_of_matrix_rate"] == pytest.approx(share)
    # Noise, six velocities and, with guidance, the negative branch at the noise, of [1, 16, 8, 8] float32.
    kept = 8 if report["architecture"].startswith("sd3") else 7
    assert report["trajectory_bytes"] == kept * 16 * 8 * 8 * 4
    assert report["label"] == "random weights: time only"
    assert "text encoding is not timed" in report["note"]
    assert report["peak_memory_bytes"] is None
    assert "--small" in report["command"]
    assert {"device", "torch", "python", "size", "steps", "repeats"} <= set(report)


@pytest.mark.parametrize("name", ["sd3-medium", "sd3.5-large", "flux-dev"])
def test_architectures_have_the_published_numbers_of_weights(name) -> None:
    """2.03, 8.06 and 11.9 billion in the transformer, counted without making them."""
    from diffusers import FluxTransformer2DModel, SD3Transformer2DModel

    architecture = ARCHITECTURES[name]
    kind = SD3Transformer2DModel if architecture.family == "sd3" else FluxTransformer2DModel
    with torch.device("meta"):
        network = kind(**architecture.transformer)
    counted = sum(parameter.numel() for parameter in network.parameters()) / 1e9
    assert counted == pytest.approx({"sd3-medium": 2.03, "sd3.5-large": 8.06, "flux-dev": 11.90}[name], rel=0.005)


def test_a_model_of_random_weights_answers_finitely_and_its_text_matters() -> None:
    model = build("sd3.5-large", CPU, torch.bfloat16, is_small=True)
    assert torch.get_default_dtype() == torch.float32
    shape = model.latent_shape(64, 64)
    point, noise = model.schedule(4, shape).point(0), model.noise(0, shape)
    velocities = [model.evaluate(noise, point, model.encode(text, "", 7.0)).velocity for text in ("a", "b", "a")]
    assert velocities[0].dtype == torch.bfloat16
    assert torch.isfinite(velocities[0]).all()
    assert torch.equal(velocities[0], velocities[2])
    assert not torch.equal(velocities[0], velocities[1])


def test_an_unknown_architecture_and_a_machine_without_a_gpu_are_sentences() -> None:
    with pytest.raises(RequestError, match=r"Choose one of: sd3-medium, sd3\.5-large, flux-dev"):
        build("sd4", CPU, torch.float32)
    if not torch.cuda.is_available():
        done = CliRunner().invoke(app, ["bench", "gpu"])
        assert done.exit_code == 2
        assert "There is no GPU here. Add --small" in done.output


def test_the_matrix_rate_counts_two_operations_a_product(monkeypatch) -> None:
    monkeypatch.setattr("trajflow.bench.gpu.timing.median_seconds", lambda work, *_: (work(), 0.5)[1])
    assert matrix_rate(CPU, torch.float32, 10, 1) == 2 * 10**3 / 0.5
