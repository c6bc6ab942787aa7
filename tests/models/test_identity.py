"""What makes a model another one after it was loaded: adapters, fused weights, quantised ones; and what does not."""

import copy

import pytest
import torch
from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

import trajflow
from trajflow.errors import ModelError
from trajflow.models.identity import digest_weights, state_of

TARGETS = ["to_q", "to_k", "to_v", "to_out.0"]


def velocity(model) -> Tensor:
    shape = model.latent_shape(32, 32)
    asked = model.encode("a red cabin", "", 1.0)
    return model.evaluate(model.noise(0, shape), model.schedule(4, shape).point(0), asked).velocity


class Identities:
    """The identities a model has had, and whether its velocity changed with them."""

    def __init__(self, model) -> None:
        self._model = model
        self._seen = [(copy.deepcopy(model.identity()), velocity(model))]

    def check(self, like: int | None = None) -> None:
        """The model is another than ever before, or again the one it was at check number `like` (0: as loaded)."""
        identity, now = copy.deepcopy(self._model.identity()), velocity(self._model)
        for number, (before, then) in enumerate(self._seen):
            assert (identity == before) == (number == like), number
            assert torch.equal(now, then) == (number == like), number
        if like is None:
            self._seen.append((identity, now))


class LowRank(nn.Module):
    """A layer with low-rank adapters that names its switches as peft's layers do: W x + sum_i scale_i B_i A_i x."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base_layer = base
        self.lora_A, self.lora_B = nn.ParameterDict(), nn.ParameterDict()
        self.scaling: dict[str, float] = {}
        self.active_adapters: list[str] = []
        self.merged_adapters: list[str] = []
        self.disable_adapters = False

    def add(self, name: str, scale: float) -> None:
        generator = torch.Generator().manual_seed(len(self.scaling))
        columns, rows = self.base_layer.in_features, self.base_layer.out_features
        self.lora_A[name] = nn.Parameter(torch.randn(2, columns, generator=generator))
        self.lora_B[name] = nn.Parameter(torch.randn(rows, 2, generator=generator))
        self.scaling[name], self.active_adapters = scale, [name]

    def forward(self, x: Tensor) -> Tensor:
        out = self.base_layer(x)
        for name in () if self.disable_adapters else self.active_adapters:
            if name not in self.merged_adapters:
                out = out + self.scaling[name] * (x @ self.lora_A[name].T @ self.lora_B[name].T)
        return out

    def merge(self) -> None:
        for name in self.active_adapters:
            self.base_layer.weight.data += self.scaling[name] * (self.lora_B[name] @ self.lora_A[name]).detach()
        self.merged_adapters = list(self.active_adapters)


def test_low_rank_layers_count_by_their_scales_and_switches_too(make_pipeline) -> None:
    """Their tensors stay the same when only the scale, the active adapter or the switch is changed."""
    pipeline = make_pipeline()
    identities = Identities(trajflow.load(pipeline))
    feed = pipeline.transformer.transformer_blocks[0].ff.net
    base, feed[2] = feed[2], LowRank(feed[2])
    feed[2].add("first", 0.5)
    identities.check()
    feed[2].scaling["first"] = 0.3
    identities.check()
    # A tensor where adapters are to be swapped without compiling anew.
    feed[2].scaling["first"] = torch.tensor(0.5)
    identities.check(like=1)
    feed[2].scaling["first"].fill_(0.25)
    identities.check()
    feed[2].scaling["first"] = 0.5
    identities.check(like=1)
    feed[2].add("second", 0.5)
    identities.check()
    feed[2].active_adapters = ["first", "second"]
    identities.check()
    feed[2].merge()
    feed[2] = base
    identities.check()


def add_lora(pipeline, name: str, seed: int) -> None:
    peft = pytest.importorskip("peft")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline.transformer.add_adapter(peft.LoraConfig(r=2, target_modules=TARGETS, init_lora_weights=False), name)


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`:UserWarning")
def test_a_lora_its_scale_its_switch_and_its_fusion_are_each_another_model(make_pipeline) -> None:
    pipeline = make_pipeline()
    identities = Identities(trajflow.load(pipeline))
    add_lora(pipeline, "first", 0)
    identities.check()
    pipeline.set_adapters(["first"], [0.4])
    identities.check()
    add_lora(pipeline, "second", 1)
    pipeline.set_adapters(["second"], [1.0])
    identities.check()
    pipeline.set_adapters(["first", "second"], [0.3, 0.7])
    identities.check()
    pipeline.fuse_lora(components=["transformer"])
    pipeline.unload_lora_weights()
    identities.check()


def test_weights_fused_behind_autograds_back_are_another_model(make_pipeline) -> None:
    """As peft does it: the tensor is written through `.data`, which leaves its address and version as they are."""
    pipeline = make_pipeline()
    identities = Identities(trajflow.load(pipeline))
    weight = pipeline.transformer.transformer_blocks[0].attn.to_q.weight
    place, version = weight.data_ptr(), weight._version
    weight.data += 0.05 * torch.ones(weight.shape[0], 2) @ torch.ones(2, weight.shape[1])
    assert (weight.data_ptr(), weight._version) == (place, version)
    identities.check()


class EightBits(nn.Module):
    """A linear layer that holds its weight as int8 buffers, as quantised checkpoints do."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        scale = linear.weight.detach().abs().amax() / 127
        self.register_buffer("quantised", (linear.weight.detach() / scale).round().to(torch.int8))
        self.register_buffer("scale", scale)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.quantised.to(x.dtype) * self.scale, self.bias)


def test_a_quantised_pipeline_works_and_is_another_model(make_pipeline) -> None:
    pipeline = make_pipeline()
    identities = Identities(trajflow.load(pipeline))
    feed = pipeline.transformer.transformer_blocks[0].ff.net
    feed[2] = EightBits(feed[2])
    identities.check()
    model = trajflow.load(pipeline)
    session = trajflow.Session(model)
    asked = {"steps": 3, "guidance": 2.0, "height": 32, "width": 32}
    session.generate("a red cabin", **asked)
    few = session.generate("a red cabin at dusk", budget=2, compare=True, **asked)
    assert few.cost.nfe == 2
    with torch.no_grad():
        feed[2].scale *= 1.01
    identities.check()


class Pair(Tensor):
    """A weight made of two tensors, seen by torch as one: how torchao holds a quantised weight."""

    @staticmethod
    def __new__(cls, high: Tensor, low: Tensor) -> "Pair":
        return Tensor._make_wrapper_subclass(cls, high.shape, dtype=high.dtype)

    def __init__(self, high: Tensor, low: Tensor) -> None:
        self.high, self.low = high, low

    def __tensor_flatten__(self):
        return ["high", "low"], None

    @staticmethod
    def __tensor_unflatten__(parts, context, size, stride):
        return Pair(parts["high"], parts["low"])

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        raise NotImplementedError(f"{function} needs the whole weight")


def test_a_weight_made_of_several_tensors_is_told_by_all_of_them() -> None:
    def module(low: float) -> nn.Module:
        made = nn.Module()
        made.register_buffer("weight", Pair(torch.ones(4, 4), torch.full((4, 4), low)), persistent=True)
        return made

    class Holder(nn.Module):
        def __init__(self, low: float) -> None:
            super().__init__()
            self.inner = module(low)

        def state_dict(self, *args, **kwargs):
            return {"weight": self.inner.weight}

    assert digest_weights(Holder(1.0)) == digest_weights(Holder(1.0))
    assert digest_weights(Holder(1.0)) != digest_weights(Holder(2.0))
    assert state_of(Holder(1.0))


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.bfloat16, torch.float16, torch.int8, torch.bool])
@pytest.mark.parametrize("size", [(8, 100), (3, 301), ()])
def test_one_changed_value_tells_narrow_weights_apart(dtype: torch.dtype, size: tuple[int, ...]) -> None:
    """Wherever it is: also between the values that are looked at one by one."""

    def digest(weight: Tensor) -> str:
        layer = nn.Module()
        layer.register_buffer("weight", weight)
        return digest_weights(layer)

    weight = torch.zeros(size).to(dtype)
    first = digest(weight)
    assert digest(weight.clone()) == first
    for index in (0, weight.numel() // 2 + 1, weight.numel() - 1):
        changed = torch.zeros(size).flatten()
        changed[min(index, weight.numel() - 1)] = 1
        assert digest(changed.view(size).to(dtype)) != first


def test_weights_that_are_not_in_memory_are_refused(make_pipeline) -> None:
    pipeline = make_pipeline()
    model = trajflow.load(pipeline)
    pipeline.text_encoder.to("meta")
    with pytest.raises(ModelError, match="enable_model_cpu_offload"):
        model.identity()


@pytest.mark.filterwarnings("ignore:.*script_method.*:DeprecationWarning")
def test_tiles_and_compilation_are_part_of_the_identity(make_pipeline) -> None:
    """Both give other last bits; a compiled network is not run here."""
    pipeline = make_pipeline()
    model = trajflow.load(pipeline)
    plain = copy.deepcopy(model.identity())
    pipeline.vae.enable_tiling()
    tiled = copy.deepcopy(model.identity())
    pipeline.vae.disable_tiling()
    assert model.identity() == plain
    pipeline.transformer.compile()
    compiled = model.identity()
    assert tiled == {**plain, "tiling": True}
    assert compiled == {**plain, "compiled": True}


@pytest.mark.filterwarnings("ignore:.*script_method.*:DeprecationWarning")
def test_compiled_blocks_and_a_compiled_network_around_the_network_count_as_well(build, adapter, cases) -> None:
    pipeline = build(cases["Qwen-Image"])
    model = adapter(cases["Qwen-Image"], pipeline)
    plain, network = copy.deepcopy(model.identity()), pipeline.transformer
    pipeline.transformer = torch.compile(network, backend="eager")
    assert model.identity() == {**plain, "compiled": True}
    pipeline.transformer = network
    assert model.identity() == plain
    network.compile_repeated_blocks(backend="eager")
    assert model.identity() == {**plain, "compiled": True}


def test_another_attention_is_another_model_wherever_it_was_asked_for(build, adapter, cases) -> None:
    """A network that asks for one sets it for every network that asks for none."""
    case = cases["Qwen-Image"]
    ours, other = build(case), build(case)
    model = adapter(case, ours)
    plain = copy.deepcopy(model.identity())
    try:
        other.transformer.set_attention_backend("_native_math")
        assert model.identity() == {**plain, "attention": ["_native_math"]}
        ours.transformer.set_attention_backend("native")
        assert model.identity() == plain
        ours.transformer.transformer_blocks[0].attn.processor._attention_backend = AttentionBackendName._NATIVE_MATH
    finally:
        _AttentionBackendRegistry.set_active_backend(AttentionBackendName.NATIVE)
    assert model.identity() == {**plain, "attention": ["_native_math", "native"]}


def test_what_is_written_around_a_prompt_is_part_of_the_identity(build, adapter, cases) -> None:
    dev = build(cases["FLUX.2 dev"])
    model = adapter(cases["FLUX.2 dev"], dev)
    plain, dev.system_message = copy.deepcopy(model.identity()), "You like fog."
    assert model.identity() == {**plain, "system_message": "You like fog."}
    qwen = build(cases["Qwen-Image"])
    model = adapter(cases["Qwen-Image"], qwen)
    plain, usual = copy.deepcopy(model.identity()), qwen.prompt_template_encode_start_idx
    qwen.prompt_template_encode_start_idx = usual - 1
    assert model.identity() == {**plain, "template": [qwen.prompt_template_encode, usual - 1]}
    qwen.prompt_template_encode_start_idx, qwen.prompt_template_encode = usual, "Draw {} now"
    assert model.identity() == {**plain, "template": ["Draw {} now", usual]}
    # A pipeline that was changed before it was loaded.
    assert adapter(cases["Qwen-Image"], qwen).identity() == model.identity()


def test_a_shift_that_is_set_later_is_another_model_with_another_grid(make_pipeline) -> None:
    pipeline = make_pipeline()
    model = trajflow.load(pipeline, settings={"max_sequence_length": 8})
    plain, session = copy.deepcopy(model.identity()), trajflow.Session(model)
    asked = {"steps": 4, "guidance": 2.0, "height": 32, "width": 32}
    before = session.generate("a red cabin", **asked)
    pipeline.scheduler.set_shift(pipeline.scheduler.config.shift + 2)
    assert model.identity() == {**plain, "shift": pipeline.scheduler.config.shift + 2}
    after, fresh = (each.generate("a red cabin", **asked) for each in (session, trajflow.Session(model)))
    assert after.image.tobytes() == fresh.image.tobytes() != before.image.tobytes()
    assert not after.from_store
    pipeline.scheduler.set_shift(pipeline.scheduler.config.shift)
    assert session.generate("a red cabin", **asked).from_store


class Here(Tensor):
    """A tensor that was copied to the CPU, and what is made of it."""


class AppleGPU(TorchFunctionMode):
    """All other tensors are as on Apple's GPU, which neither hashes nor knows float64."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        is_here = any(isinstance(each, Here) for each in args)
        if function == Tensor.device.__get__ and not is_here:
            return torch.device("mps")
        if not is_here and (function is torch.hash_tensor or any(each is torch.float64 for each in args)):
            raise NotImplementedError("not on MPS")
        answer = function(*args, **(kwargs or {}))
        return answer.as_subclass(Here) if function is Tensor.cpu else answer


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_on_a_device_without_float64_have_the_digest_they_have_elsewhere(dtype) -> None:
    layer = nn.Linear(7, 300).to(dtype)
    plain = digest_weights(layer)
    with AppleGPU():
        assert layer.weight.device.type == "mps"
        assert digest_weights(layer) == plain


def test_weights_that_only_move_are_the_same_model_and_are_not_hashed_again(make_pipeline, monkeypatch) -> None:
    pipeline = make_pipeline()
    plain = trajflow.load(pipeline).identity()
    pipeline.enable_model_cpu_offload(device="cpu")
    model = trajflow.load(pipeline)
    assert model.identity()["weights"] == plain["weights"]
    # As `Module.to` does it: parameters get other data, buffers are replaced.
    for part in (pipeline.transformer, pipeline.text_encoder, pipeline.text_encoder_2, pipeline.vae):
        part._apply(lambda tensor: tensor.clone())
    monkeypatch.setattr("trajflow.models.identity.digest_weights", None)
    assert model.identity()["weights"] == plain["weights"]


def test_another_tokenizer_is_another_model(make_pipeline) -> None:
    pipeline = make_pipeline()
    model = trajflow.load(pipeline)
    before = copy.deepcopy(model.identity())
    pipeline.tokenizer = copy.deepcopy(pipeline.tokenizer)
    assert model.identity() == before
    pipeline.tokenizer.add_tokens(["<my-style>"])
    assert model.identity() != before
