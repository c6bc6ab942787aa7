import dataclasses
import json
from collections import Counter

import numpy as np
import pytest
import torch

from tools.world import focus, text
from tools.world.autoencoder import laplacian_pyramid
from tools.world.coarse import coarsen_positions
from tools.world.codes import WIDTH, is_heldout, to_codes, to_scene
from tools.world.judge import Judge, labels_of
from tools.world.measure import SECTIONS, main
from tools.world.network import Shape, build_transformer
from tools.world.obedience import obeyed
from tools.world.optimizer import Optimizer, rate_factor
from tools.world.pictures import Album, bucket, draw_pictures, draw_shard, finished_shards, plan, shard_path
from tools.world.quality import explained_share, frechet, verdict
from tools.world.render import render
from tools.world.sampling import generate
from tools.world.scene import KINDS, UNCOLOURED, Thing, Told, draw
from tools.world.stage import Pace
from tools.world.train import MINIATURE, SETTINGS, Workshop, load_released, release
from tools.world.train import main as train_all
from tools.world.velocity import EMPTY_SHARE, LENGTHS, Lessons, train_velocity, weigh


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """Every stage run once, in miniature."""
    torch.set_num_threads(1)
    workshop = Workshop(tmp_path_factory.mktemp("world"), torch.device("cpu"), 1, compiled=False)
    pipeline = workshop.run(MINIATURE)
    release(pipeline, workshop.work / "released")
    return workshop


def test_codes_keep_the_scene():
    for seed in range(200):
        scene = draw(np.random.default_rng(seed))
        assert to_scene(to_codes(scene)) == scene


def test_one_combination_in_twenty_is_held_out():
    rng = np.random.default_rng(0)
    scenes = [draw(rng) for _ in range(4000)]
    held = [scene for scene in scenes if is_heldout(scene)]
    assert 0.03 < len(held) / len(scenes) < 0.07
    assert is_heldout(dataclasses.replace(held[0], things=()))


def test_labels_say_what_the_scene_has():
    scenes = (draw(np.random.default_rng(seed)) for seed in range(99))
    scene = next(scene for scene in scenes if len(scene.things) == 3)
    labels = labels_of(torch.from_numpy(to_codes(scene)[None].astype(np.int64)))
    there = {kind: int(count) for kind, count in zip(KINDS, labels["count"][0], strict=True) if count}
    assert there == {thing.kind: thing.count for thing in scene.things}
    assert int((labels["side"] >= 0).sum()) == 3


def test_the_pyramid_adds_up():
    images = torch.randn(2, 3, 32, 48)
    *bands, rest = laplacian_pyramid(images)
    for band in reversed(bands):
        rest = band + torch.nn.functional.interpolate(rest, scale_factor=2.0, mode="bilinear")
    torch.testing.assert_close(rest, images)


def test_an_interrupted_shard_is_drawn_the_same(tmp_path):
    draw_pictures(tmp_path / "a", 2, 1, size=1)
    draw_shard(1, tmp_path / "b", size=1)
    draw_pictures(tmp_path / "b", 2, 1, size=1)
    assert [path.name for path in finished_shards(tmp_path / "b")] == [
        path.name for path in finished_shards(tmp_path / "a")
    ]
    for path in finished_shards(tmp_path / "a"):
        assert np.array_equal(np.load(path), np.load(tmp_path / "b" / path.name))


@pytest.mark.slow
def test_a_picture_has_the_size_of_its_bucket(workshop):
    shapes = {np.load(path, mmap_mode="r").shape[1:3] for path in finished_shards(workshop.work / "pictures")}
    assert shapes == {(192, 192), (128, 192), (192, 128)}
    height, width = bucket(1)
    assert shard_path(workshop.work, 1).name == f"00001_{height}x{width}.npy"


def test_crops_come_from_every_size(workshop):
    batch = workshop.album.batch(8, np.random.default_rng(0), crop=64)
    assert batch.images.shape == (8, 3, 64, 64)
    assert batch.codes.shape == (8, WIDTH)
    assert -1 <= float(batch.images.min()) < float(batch.images.max()) <= 1


def test_latents_have_variance_one(workshop):
    values = np.concatenate([shard.ravel() for shard, _ in Album(workshop.work / "latents").shards]).astype(np.float64)
    assert values.std() == pytest.approx(1, abs=0.1)
    assert values.mean() == pytest.approx(0, abs=0.1)


def test_half_size_latents_are_half_as_wide(workshop):
    full, half = (Album(workshop.work / name).shards for name in ("latents", "latents_half"))
    for (whole, codes), (small, same) in zip(full, half, strict=True):
        assert small.shape[2:] == tuple(length // 2 for length in whole.shape[2:])
        assert np.array_equal(codes, same)


def test_muon_steps_a_kernel_in_place():
    convolution = torch.nn.Conv2d(4, 8, 3)
    before = convolution.weight.detach().clone()
    optimizer = Optimizer(convolution, muon=1e-2, adamw=1e-3)
    convolution(torch.randn(2, 4, 8, 8)).square().mean().backward()
    optimizer.step(1.0)
    step = (convolution.weight.detach() - before).permute(0, 2, 3, 1).flatten(1)
    singular = torch.linalg.svdvals(step)
    # An orthogonalised step moves every direction about equally far.
    assert float(singular.min() / singular.max()) > 0.4


def test_the_rate_warms_up_and_falls_to_nothing():
    factors = [rate_factor(step, 1000) for step in range(1001)]
    assert factors[0] < 0.02
    assert factors[500] == 1
    assert factors[1000] == 0


def test_lessons_come_in_every_length_and_are_always_the_same(workshop):
    readers = text.load(workshop.work / "text")
    lessons = Lessons(workshop.work / "latents", readers.tokenizer, 4, seed=0)
    assert {lessons[step].ids.shape[1] for step in range(30)} == set(LENGTHS)
    for step in range(4):
        assert torch.equal(lessons[step].ids, lessons[step].ids)


def test_one_lesson_in_ten_has_no_words_however_short_the_row(workshop):
    readers = text.load(workshop.work / "text")
    lessons = Lessons(workshop.work / "latents", readers.tokenizer, 4, seed=0)
    scene = draw(np.random.default_rng(0))
    for tokens in LENGTHS:
        ids = lessons.word([scene] * 600, tokens, np.random.default_rng(1))
        empty = (ids[:, 1] == readers.tokenizer.eos_token_id).float().mean()
        assert abs(float(empty) - EMPTY_SHARE) < 0.035


def test_nobody_is_asked_how_many_roads_there_are():
    judge, picture = Judge().eval(), torch.zeros(1, 3, 192, 192)
    for kind, is_asked in (("boat", True), ("road", False), ("flower", False)):
        told = Told("hills", things=(Thing(kind, 1, None if kind in UNCOLOURED else "red"),))
        answers = obeyed(judge, picture, [told])
        assert bool(answers["count"]) == is_asked


def test_half_of_the_lessons_are_photos_however_few_there_are():
    rng = np.random.default_rng(0)
    scenes = [draw(rng) for _ in range(400)]
    kept = [scene for number, scene in enumerate(scenes) if scene.style != "photo" or number % 4 == 0]
    weights = weigh(np.stack([to_codes(scene) for scene in kept]))
    shares = Counter()
    for scene, weight in zip(kept, weights, strict=True):
        shares[scene.style] += weight
    assert shares == pytest.approx({"photo": 0.5, "watercolour": 1 / 6, "oil": 1 / 6, "pastel": 1 / 6})


def test_things_are_found_where_a_picture_without_them_differs(workshop):
    """The shares of every token, against the picture drawn without its things, seen pixel by pixel."""
    found = 0.0
    for number, path in enumerate(finished_shards(workshop.work / "pictures")):
        covers = np.load(workshop.work / "things" / path.name)
        for index, picture in enumerate(np.load(path)):
            scene, seed = plan(number, index)
            bare = render(dataclasses.replace(scene, things=()), seed, *picture.shape[:2]).astype(int)
            differs = np.abs(picture - bare).max(axis=2) > 12
            down, along = covers.shape[1] - 1, covers.shape[2] // 2
            there = differs[16 * down : 16 * down + 16, 16 * along : 16 * along + 16].mean()
            assert covers[index, down, along] == pytest.approx(there, abs=1e-3)
            assert covers[index].mean() == pytest.approx(differs.mean(), abs=1e-3)
            found += covers[index].mean()
    assert found > 0


def test_a_place_that_things_cover_counts_six_times_and_the_average_is_one():
    covers = torch.zeros(2, 4, 4)
    covers[1, 2, 3] = 1
    whole, half = (focus.weigh(covers, torch.zeros(2, 16, size, size)) for size in (8, 4))
    assert float(whole[1, 0, 5, 7] / whole[0, 0, 0, 0]) == pytest.approx(6)
    assert int((whole > whole.min()).sum()) == 4
    # A half-size token is four of the whole picture's, of which things cover one.
    assert float(half[1, 0, 3, 3] / half[0, 0, 0, 0]) == pytest.approx(1 + 5 / 4)
    assert float(whole.mean()) == pytest.approx(1)
    assert float(half.mean()) == pytest.approx(1)


@pytest.mark.parametrize(("rate", "is_same"), [(0.5, True), (1, False)])
def test_things_count_more_only_while_the_rate_is_full(workshop, tmp_path, monkeypatch, rate, is_same):
    monkeypatch.setattr(Pace, "factor", lambda pace, step: rate)
    focused = train(workshop, tmp_path / "focused", things=workshop.things)
    plain = train(workshop, tmp_path / "plain")
    assert all(map(torch.equal, focused.parameters(), plain.parameters())) == is_same


class Killed(Exception):
    pass


def kill(average, step):
    if step == 2:
        raise Killed


def train(workshop, folder, **options):
    readers = text.load(workshop.work / "text")
    parts = (readers.encoders, readers.tokenizer)
    torch.manual_seed(0)
    transformer = build_transformer(MINIATURE.shape)
    latents = workshop.work / "latents"
    recipe = MINIATURE.velocity
    return train_velocity(transformer, folder, latents, parts, recipe, workshop.device, compiled=False, **options)


def test_a_killed_velocity_ends_as_the_uninterrupted_one(workshop, tmp_path):
    whole = train(workshop, tmp_path / "whole")
    with pytest.raises(Killed):
        train(workshop, tmp_path / "killed", on_save=kill, save_every=0.0)
    assert torch.load(tmp_path / "killed" / "velocity.pt", weights_only=True)["step"] == 2
    resumed = train(workshop, tmp_path / "killed")
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_a_stage_stops_when_time_is_up(workshop, tmp_path):
    train(workshop, tmp_path, until=0.0)
    assert torch.load(tmp_path / "velocity.pt", weights_only=True)["step"] == 0


def test_a_finished_stage_is_not_run_again(workshop):
    before = (workshop.work / "velocity" / "velocity.csv").read_text()
    pipeline = workshop.run(MINIATURE, ("velocity",))
    assert (workshop.work / "velocity" / "velocity.csv").read_text() == before
    # Nor is anything else released in its place.
    for stages, until in ((("coarse",), float("inf")), (("velocity",), 0.0)):
        other = dataclasses.replace(workshop, until=until).run(MINIATURE, stages)
        for one, kept in zip(other.transformer.parameters(), pipeline.transformer.parameters(), strict=True):
            assert torch.equal(one, kept)


def test_who_asks_for_a_release_without_a_velocity_is_told(tmp_path):
    with pytest.raises(SystemExit, match="Nothing was released"):
        train_all(["--work", str(tmp_path), "--release", str(tmp_path / "out"), "--stages", "polish"])


@pytest.mark.parametrize(("height", "width"), [(192, 192), (128, 192), (192, 128)])
def test_the_released_folder_generates(workshop, height, width):
    pipeline = load_released(workshop.work / "released")
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline(
        "a red boat on a lake",
        negative_prompt="rain",
        height=height,
        width=width,
        num_inference_steps=2,
        guidance_scale=SETTINGS["guidance"],
        max_sequence_length=SETTINGS["max_sequence_length"],
        generator=torch.Generator().manual_seed(0),
    ).images[0]
    assert picture.size == (width, height)
    assert np.asarray(picture).std() > 1


def test_a_coarse_token_stands_where_its_four_fine_ones_do():
    fine = build_transformer(MINIATURE.shape).pos_embed
    coarse = coarsen_positions(build_transformer(MINIATURE.shape)).pos_embed
    for height, width in ((24, 24), (16, 24)):
        wide = fine.cropped_pos_embed(height, width).unflatten(1, (height // 2, width // 2))
        narrow = coarse.cropped_pos_embed(height // 2, width // 2).unflatten(1, (height // 4, width // 4))
        torch.testing.assert_close(narrow[0, 1, 2], wide[0, 2:4, 4:6].mean(dim=(0, 1)))


def test_the_released_model_is_small():
    transformer = build_transformer(Shape())
    assert sum(parameter.numel() for parameter in transformer.parameters()) < 20e6


def test_own_sampling_is_the_pipelines(workshop):
    pipeline = load_released(workshop.work / "released")
    pipeline.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": 3, "guidance_scale": 3.0, "max_sequence_length": 1, "output_type": "pt"}
    stock = pipeline("a red boat", generator=torch.Generator().manual_seed(5), **options).images
    _, own = generate(pipeline, ["a red boat"], [5], 3, 3.0)
    torch.testing.assert_close(own, 2 * stock - 1, atol=1e-3, rtol=0)


def test_everything_the_card_says_is_measured(workshop, monkeypatch, capsys):
    monkeypatch.setattr("tools.world.measure.PROMPTS", ("a lake",))
    (workshop.work / "released" / "trajflow.json").write_text(json.dumps(SETTINGS | {"steps": 4}))
    out = workshop.work / "measured.json"
    main(
        ["--model", str(workshop.work / "released"), "--work", str(workshop.work), "--out", str(out), "--pictures", "3"]
    )
    report = json.loads(out.read_text())
    assert set(report) == set(SECTIONS)
    # An untrained model obeys by chance and is nothing like a render.
    assert report["quality"]["pictures"]["fails"]
    assert report["quality"]["renders"]["detail"] == pytest.approx(1, abs=0.5)
    assert "| SSIM between seeds |" in capsys.readouterr().out


def test_half_of_the_variance_is_explained_when_prompts_and_seeds_vary_alike():
    generator = torch.Generator().manual_seed(0)
    prompts = torch.randn(400, 1, 16, generator=generator)
    seeds = torch.randn(400, 3, 16, generator=generator)
    assert explained_share(prompts + seeds) == pytest.approx(0.5, abs=0.02)


def test_the_frechet_distance_of_two_gaussians_is_the_known_one():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(20_000, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    # |2|^2 in each of three directions, and (3 - 1)^2 for each standard deviation.
    assert frechet(a, 3 * b + 2) == pytest.approx(3 * 4 + 3 * 4, rel=0.02)


def test_a_set_is_judged_by_detail_likeness_and_obedience():
    assert verdict(1.0, 1.0, 1.0) == []
    assert verdict(0.2, 50.0, 0.3) == ["too smooth", "not like renders", "disobeys"]
