"""Every public name shows how it is used, and what it shows is so."""

import doctest
import inspect

import pytest

import trajflow
import trajflow.testing
from trajflow.errors import TrajflowError


def _is_error(thing: object) -> bool:
    return inspect.isclass(thing) and issubclass(thing, TrajflowError)


# Of the errors the first speaks for all; the table of methods is a dict.
NAMES = [
    name
    for name in trajflow.__all__
    if name not in ("METHODS", "TrajflowError") and not _is_error(getattr(trajflow, name))
]


def examples(thing: object, name: str) -> list[doctest.DocTest]:
    module = inspect.getmodule(thing) or trajflow
    found = doctest.DocTestFinder(recurse=False).find(thing, name, module=False, globs=dict(vars(module)))
    return [each for each in found if each.examples]


@pytest.mark.parametrize("name", [*NAMES, "TrajflowError"])
def test_a_public_name_shows_how_it_is_used(name: str) -> None:
    [shown] = examples(getattr(trajflow, name), name)
    assert doctest.DocTestRunner().run(shown).failed == 0


@pytest.mark.parametrize("name", ["GaussianMixture", "check_method", "check_model"])
def test_so_does_what_is_there_for_people_who_write_methods_and_adapters(name: str) -> None:
    [shown] = examples(getattr(trajflow.testing, name), name)
    assert doctest.DocTestRunner().run(shown).failed == 0


def test_so_does_the_package_itself() -> None:
    [shown] = examples(trajflow, "trajflow")
    assert doctest.DocTestRunner().run(shown).failed == 0
