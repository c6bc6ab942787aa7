import json

import pytest

from trajflow.errors import ModelError
from trajflow.models.vocabulary import read_vocabulary


def test_a_folder_without_the_file_knows_nothing(tmp_path):
    assert read_vocabulary(tmp_path) is None


def test_words_are_read_in_lower_case(tmp_path):
    table = {"time": {"night": ["At night"]}, "nothing": {"joining": ["A"], "ignored": ["Lovely"]}}
    (tmp_path / "vocabulary.json").write_text(json.dumps(table))
    known = read_vocabulary(tmp_path)
    assert known.words == {"at", "night", "a", "lovely"}
    assert known.meanings["time"]["night"] == ("at night",)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"time": ["night"]}', '{"time": {"night": "at night"}}', '{"nothing": {"odd": ["a"]}}']
)
def test_a_file_of_another_form_is_refused(tmp_path, text):
    (tmp_path / "vocabulary.json").write_text(text)
    with pytest.raises(ModelError, match=r"vocabulary\.json must hold"):
        read_vocabulary(tmp_path)
