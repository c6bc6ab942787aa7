"""Adapters from other packages, found by the entry point group `trajflow.adapters`."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import trajflow
from trajflow.errors import ModelError, PluginError
from trajflow.testing import check_model

MODULE = '''
import torch
from diffusers import StableDiffusion3Pipeline

from trajflow.models.adapter import Adapter
from trajflow.models.seam import Seam


class OutsidePipeline(StableDiffusion3Pipeline):
    pass


class OutsideModel(Adapter):
    """One row, no guidance."""

    family = "Outside"
    usual = (3, 1.0)
    guided_by = "nothing"
    encoders = ("text_encoder", "text_encoder_2")
    tokenizers = ("tokenizer", "tokenizer_2")
    seam = Seam("pos_embed", ("transformer_blocks",), "norm_out", ("attn", "ff", "ff_context"))
    text_length = 4
    size_multiple = 4
    noise_dtype = torch.float32

    def encode_text(self, prompt, negative_prompt, guidance):
        states, _, pooled, _ = self.pipeline.encode_prompt(
            prompt, None, None, do_classifier_free_guidance=False, max_sequence_length=self.text_length
        )
        return {"states": states, "pooled": pooled}

    def guide(self, x, point, conditioning, calls):
        velocity = calls("rows")(
            hidden_states=x,
            timestep=point.timestep.expand(1),
            encoder_hidden_states=conditioning.tensors["states"],
            pooled_projections=conditioning.tensors["pooled"],
            return_dict=False,
        )[0]
        return velocity, {"text": velocity}


def strange(pipeline, name, settings):
    return object()


strange.family, strange.takes, strange.__name__ = "Strange", (), "strange"
'''


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a package on the path that brings these adapters, by pipeline class."""

    def bring(distribution: str = "outside", **adapters: str) -> None:
        about = tmp_path / f"{distribution}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in adapters.items()]
        (about / "entry_points.txt").write_text("\n".join(["[trajflow.adapters]", *lines, ""]))

    (tmp_path / "outside_adapter.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "outside_adapter", raising=False)
    yield bring
    sys.modules.pop("outside_adapter", None)


@pytest.fixture
def outside(make_pipeline):
    """A pipeline of a class that trajflow has no adapter for."""

    def make():
        import outside_adapter

        made = outside_adapter.OutsidePipeline(**make_pipeline().components)
        made.set_progress_bar_config(disable=True)
        return made

    return make


def test_an_adapter_from_outside_keeps_the_contract_and_draws(install, outside) -> None:
    install(OutsidePipeline="outside_adapter:OutsideModel")
    model = trajflow.load(outside(), settings={"steps": 4})
    assert (model.family, model.defaults.steps) == ("Outside", 4)
    check_model(model)
    session = trajflow.Session(model)
    session.generate("a red cabin")
    assert session.generate("a red cabin at dusk", budget=2).cost.nfe == 2
    with pytest.raises(ModelError, match=r"Outside has no setting 'cfg'.*steps"):
        trajflow.load(outside(), settings={"cfg": 2})


def test_without_its_package_the_pipeline_is_not_supported(install, outside) -> None:
    with pytest.raises(ModelError, match="OutsidePipeline is not supported"):
        trajflow.load(outside())
    install(OtherPipeline="outside_adapter:OutsideModel")
    with pytest.raises(ModelError, match=r"OutsidePipeline is not supported.*ZImagePipeline, OtherPipeline\.$"):
        trajflow.load(outside())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("nowhere:Model", "No module named 'nowhere'"),
        ("outside_adapter:Missing", "has no attribute 'Missing'"),
        ("outside_adapter:OutsidePipeline", "has no family"),
        ("outside_adapter:strange", "makes no trajflow model"),
    ],
)
def test_an_adapter_that_does_not_work_is_one_sentence(install, outside, value: str, words: str) -> None:
    install(OutsidePipeline=value)
    with pytest.raises(PluginError) as caught:
        trajflow.load(outside())
    said = str(caught.value)
    assert words in said
    assert said.count("\n") == 0
    assert said.endswith(".")
    assert "strange" in value or said.startswith("outside brings OutsidePipeline (trajflow.adapters)")


def test_two_packages_for_one_pipeline_are_one_too_many(install, outside) -> None:
    install(OutsidePipeline="outside_adapter:OutsideModel")
    install("another", OutsidePipeline="outside_adapter:Another")
    with pytest.raises(PluginError, match=r"both bring OutsidePipeline.*uninstall one"):
        trajflow.load(outside())


def test_trajflows_own_adapters_are_not_replaced(install, pipeline) -> None:
    install(StableDiffusion3Pipeline="outside_adapter:OutsideModel")
    assert trajflow.load(pipeline).family == "Stable Diffusion 3"


def test_a_folder_of_a_pipeline_that_diffusers_does_not_have_says_what_to_do(install, outside, tmp_path) -> None:
    install(OutsidePipeline="outside_adapter:OutsideModel")
    outside().save_pretrained(tmp_path / "saved")
    with pytest.raises(ModelError, match=r"diffusers has no OutsidePipeline.*give it to trajflow\.load"):
        trajflow.load(tmp_path / "saved", device="cpu")
