import base64
import io

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from trajflow.errors import RequestError
from trajflow.ui import png


def test_the_settings_come_back_from_the_file(tmp_path, result, mixture):
    made = result("a “blue” mountain, 山")
    settings = png.settings_of(made, mixture)
    path = tmp_path / "picture.png"
    path.write_bytes(png.encode(made.image, settings))
    back = png.read_settings(path)
    assert back == settings
    assert back["prompt"] == "a “blue” mountain, 山"
    assert (back["seed"], back["steps"], back["nfe"], back["psnr_db"]) == (7, 4, 2, 38.21)
    assert (back["width"], back["height"], back["guidance"]) == (16, 12, 1.0)
    assert (back["source_prompt"], back["source_is_exact"]) == ("a mountain", True)
    with Image.open(path) as image:
        assert image.info["parameters"].startswith(
            "a “blue” mountain, 山\nSteps: 4, Sampler: Euler, CFG scale: 1.0, Seed: 7"
        )


def test_a_picture_of_another_tool_is_read_by_its_parameters(picture):
    info = PngInfo()
    info.add_text("parameters", "a castle\nSteps: 20, Seed: 3, Size: 64x32")
    buffer = io.BytesIO()
    picture().save(buffer, "PNG", pnginfo=info)
    read = png.read_settings(buffer.getvalue())
    assert (read["prompt"], read["steps"], read["width"]) == ("a castle", 20, 64)


def test_the_pixels_are_untouched(tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8))
    path = tmp_path / "picture.png"
    path.write_bytes(png.encode(image))
    assert np.array_equal(np.asarray(Image.open(path)), np.asarray(image))


def test_a_data_uri_is_the_same_file(picture):
    uri = png.data_uri(picture())
    assert base64.b64decode(uri.split(",", 1)[1]) == png.encode(picture())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"text", "not a PNG"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "not a PNG|damaged"),
        (b"GIF89a" + b"\0" * 20, "not a PNG"),
    ],
)
def test_other_files_are_refused_in_one_sentence(data, said, picture):
    with pytest.raises(RequestError, match=said):
        png.read_settings(data)
    with pytest.raises(RequestError, match="no settings"):
        png.read_settings(png.encode(picture()))
    with pytest.raises(RequestError, match="damaged"):
        png.read_settings(png.encode(picture(size=(64, 64)))[:-40])


@pytest.mark.parametrize("text", ["{", "[1]", '{"prompt": 3}', "[" * 5000])
def test_json_that_is_none_of_ours_is_refused(text):
    with pytest.raises(RequestError):
        png.read_json(text)


def test_a_thumbnail_keeps_the_proportions(picture):
    assert png.thumbnail(picture(size=(400, 200)), 100).size == (100, 50)
