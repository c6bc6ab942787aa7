"""What `trajflow.load` does with its options, and the defaults that models bring."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import trajflow
from trajflow.errors import ModelError, RequestError
from trajflow.models.registry import SETTINGS_FILE, load, supported, wrap

ASKED = {"prompt": "a red cabin at dusk", "steps": 2, "guidance": 2.0, "height": 32, "width": 32}


@pytest.fixture(scope="module")
def folder(make_pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("saved")
    make_pipeline().save_pretrained(where)
    return where


def picture(model) -> np.ndarray:
    return np.asarray(trajflow.Session(model).generate(**ASKED).image)


@pytest.mark.parametrize("dtype", ["bfloat16", torch.bfloat16, "float16", "float32"])
def test_the_dtype_is_the_one_asked_for(folder: Path, dtype) -> None:
    model = load(folder, device="cpu", dtype=dtype)
    expected = dtype if isinstance(dtype, torch.dtype) else getattr(torch, dtype)
    shape = model.latent_shape(32, 32)
    x = model.noise(0, shape)
    assert x.dtype == expected
    assert model.evaluate(x, model.schedule(2, shape).point(0), model.encode("a", "", 1.0)).velocity.dtype == expected
    assert model.identity()["dtype"] == str(expected)


@pytest.mark.parametrize("dtype", ["int8", "double", torch.int32])
def test_a_dtype_no_model_runs_in_is_refused(folder: Path, dtype) -> None:
    with pytest.raises(ModelError, match="Choose one of: float32, bfloat16, float16"):
        load(folder, dtype=dtype)


def test_an_offloaded_model_draws_the_same_picture_again_and_again(folder: Path) -> None:
    model, offloaded = load(folder, device="cpu"), load(folder, device="cpu", offload=True)
    assert np.array_equal(picture(offloaded), picture(model))
    assert np.array_equal(picture(offloaded), picture(model))
    assert offloaded.identity() == model.identity()


def test_a_device_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(ModelError, match="cannot be placed on 'gpu'"):
        load(folder, device="gpu")


def test_a_file_of_weights_that_was_cut_off_is_refused_in_a_sentence(make_pipeline, tmp_path: Path) -> None:
    make_pipeline().save_pretrained(tmp_path)
    weights = tmp_path / "text_encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    with pytest.raises(ModelError, match="could not be loaded as a diffusers model"):
        load(tmp_path, device="cpu")


@pytest.mark.filterwarnings("ignore:.*script_method.*:DeprecationWarning")
def test_a_compiled_transformer_is_compiled_at_its_first_use_only(folder: Path) -> None:
    model = load(folder, device="cpu", compile=True)
    assert model.identity()["compiled"]
    with torch.compiler.set_stance("force_eager"):
        assert np.array_equal(picture(model), picture(load(folder, device="cpu")))


def test_large_pictures_are_decoded_in_tiles_when_asked(folder: Path) -> None:
    whole, tiled = load(folder, device="cpu"), load(folder, device="cpu", tiling=True)
    small, large = (torch.randn(whole.latent_shape(side, side)) for side in (32, 48))
    assert np.array_equal(np.asarray(tiled.decode(small)), np.asarray(whole.decode(small)))
    assert not np.array_equal(np.asarray(tiled.decode(large)), np.asarray(whole.decode(large)))


@pytest.mark.parametrize("option", [{"dtype": "float16"}, {"device": "cpu"}, {"offload": True}, {"tiling": True}])
def test_a_given_pipeline_stays_as_it_is(pipeline, option: dict) -> None:
    with pytest.raises(ModelError, match="stays as it is"):
        load(pipeline, **option)


def test_given_settings_lie_over_those_of_the_folder(folder: Path) -> None:
    (folder / SETTINGS_FILE).write_text(json.dumps({"steps": 9, "guidance": 2.5}))
    model = load(folder, device="cpu", settings={"guidance": 1.5})
    (folder / SETTINGS_FILE).unlink()
    assert (model.defaults.steps, model.defaults.guidance) == (9, 1.5)
    with pytest.raises(ModelError, match=r"no setting 'cfg'.*guidance.*skip_guidance_layers"):
        load(folder, device="cpu", settings={"cfg": 1.5})


@pytest.mark.parametrize("text", ["{", "[1, 2]", "3"])
def test_settings_that_cannot_be_read_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / SETTINGS_FILE).write_text(text)
    with pytest.raises(ModelError, match="must hold one JSON object"):
        load(tmp_path)


def test_a_setting_of_the_wrong_kind_is_refused(pipeline) -> None:
    with pytest.raises(ModelError, match=r"cannot be used.*many"):
        load(pipeline, settings={"steps": "many"})


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is not None, reason="the library is there")
def test_weights_that_need_a_gpu_or_another_library_say_so(make_pipeline, tmp_path: Path) -> None:
    make_pipeline().save_pretrained(tmp_path)
    path = tmp_path / "transformer" / "config.json"
    quantised = {"quant_method": "bitsandbytes", "load_in_8bit": True, "_load_in_8bit": True}
    path.write_text(json.dumps({**json.loads(path.read_text()), "quantization_config": quantised}))
    with pytest.raises(ModelError, match=r"could not be loaded.*(GPU|bitsandbytes)"):
        load(tmp_path, device="cpu")


def test_every_adapter_is_found_by_the_name_of_its_pipeline(build, cases) -> None:
    classes = {type(build(case)).__name__ for case in cases.values()} | {"StableDiffusion3Pipeline"}
    assert classes == set(supported())


def test_an_unsupported_pipeline_is_told_what_is_supported(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionXLPipeline"}))
    with pytest.raises(ModelError) as caught:
        load(tmp_path)
    told = str(caught.value)
    assert told.startswith("StableDiffusionXLPipeline is not supported.")
    for name in ("Stable Diffusion 3 and 3.5", "FLUX.1", "FLUX.2", "Qwen-Image", "Z-Image", *supported()):
        assert name in told


@pytest.mark.parametrize(
    ("name", "steps", "guidance"),
    [
        ("FLUX.1 dev", 28, 3.5),
        ("FLUX.1 schnell", 4, 0.0),
        ("FLUX.2 dev", 50, 4.0),
        ("FLUX.2 klein base", 50, 4.0),
        ("FLUX.2 klein", 4, 1.0),
        ("Qwen-Image", 50, 4.0),
        ("Z-Image", 50, 5.0),
    ],
)
def test_models_bring_their_own_defaults(built, cases, name: str, steps: int, guidance: float) -> None:
    defaults = wrap(built(cases[name]), "a model").defaults
    assert (defaults.steps, defaults.guidance) == (steps, guidance)
    assert defaults.height == defaults.width
    assert defaults.height % defaults.size_multiple == 0
    changed = wrap(built(cases[name]), "a model", {"steps": 7, "guidance": 1.5, "height": 48, "width": 64}).defaults
    assert (changed.steps, changed.guidance, changed.height, changed.width) == (7, 1.5, 48, 64)


def test_a_turbo_model_is_known_by_its_name(make_pipeline, built, cases) -> None:
    for name in ("stabilityai/stable-diffusion-3.5-large-turbo", "models/SD3.5-Turbo"):
        defaults = wrap(make_pipeline(), name).defaults
        assert (defaults.steps, defaults.guidance) == (4, 0.0)
    assert wrap(make_pipeline(), "turbo/stable-diffusion-3.5-large").defaults.steps == 28
    defaults = wrap(built(cases["Z-Image"]), "Tongyi-MAI/Z-Image-Turbo").defaults
    assert (defaults.steps, defaults.guidance) == (8, 0.0)
    # In the hub's cache the last name is that of a commit.
    for repository, steps in (("Tongyi-MAI--Z-Image-Turbo", 8), ("turbo--Z-Image", 50)):
        where = f"/hub/models--{repository}/snapshots/26f23ed"
        assert wrap(built(cases["Z-Image"]), where).defaults.steps == steps


@pytest.mark.parametrize("name", ["FLUX.1 dev", "FLUX.1 schnell", "FLUX.2 dev", "FLUX.2 klein", "FLUX.2 klein base"])
def test_a_negative_prompt_that_would_not_be_heard_is_refused(built, adapter, cases, name: str) -> None:
    session = trajflow.Session(adapter(cases[name], built(cases[name])))
    with pytest.raises(RequestError, match="negative prompt"):
        session.generate("a red cabin", steps=2, negative_prompt="blurry")
