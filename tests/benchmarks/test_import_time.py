import pytest

from benchmarks.import_time import markdown, once


@pytest.mark.slow
def test_the_library_takes_a_fraction_of_what_diffusers_takes_to_import() -> None:
    before, added = once()
    assert 0 < added < before / 2
    assert f"{added:.2f} |" in markdown(before, added)
