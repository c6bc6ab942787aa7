import base64
import io

import numpy as np
import pytest
from PIL import Image

from trajflow.errors import RequestError
from trajflow.ui import png


def test_the_settings_come_back_from_the_file(tmp_path, result):
    made = result("a “blue” mountain, 山")
    settings = png.settings_of(made, "tiny")
    path = tmp_path / "picture.png"
    path.write_bytes(png.encode(made.image, settings))
    back = png.read_settings(path)
    assert back == settings
    assert back["prompt"] == "a “blue” mountain, 山"
    assert (back["seed"], back["steps"], back["nfe"], back["psnr_db"]) == (7, 4, 2, 38.21)
    assert (back["width"], back["height"]) == (16, 12)
    assert (back["source_prompt"], back["source_is_exact"]) == ("a mountain", True)


def test_the_pixels_are_untouched(tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8))
    path = tmp_path / "picture.png"
    path.write_bytes(png.encode(image, {"seed": 1}))
    assert np.array_equal(np.asarray(Image.open(path)), np.asarray(image))


def test_a_data_uri_is_the_same_file(picture):
    uri = png.data_uri(picture(), {"seed": 3})
    assert png.read_settings(base64.b64decode(uri.split(",", 1)[1])) == {"seed": 3}


def test_other_files_are_refused_in_one_sentence(picture):
    with pytest.raises(RequestError, match="not a picture"):
        png.read_settings(b"text")
    with pytest.raises(RequestError, match="no trajflow settings"):
        png.read_settings(png.encode(picture()))


def test_a_thumbnail_keeps_the_proportions(picture):
    uri = png.thumbnail(picture(size=(400, 200)), side=100)
    image = Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))
    assert image.size == (100, 50)
