import re
from pathlib import Path

import pytest

from tools.project_urls import ProjectUrls, with_addresses

ROOT = Path(__file__).parents[2]


def test_files_are_linked_by_address_and_the_rest_is_left() -> None:
    text = "![a](pictures/a.png) [b](b.md#part) [c](https://elsewhere) [d](#below) [![e](e.svg)](e.md)"
    at = "https://host/me/it"
    assert with_addresses(text, at, "0f") == (
        f"![a]({at}/raw/0f/pictures/a.png) [b]({at}/blob/0f/b.md#part) [c](https://elsewhere) [d](#below) "
        f"[![e]({at}/raw/0f/e.svg)]({at}/blob/0f/e.md)"
    )


@pytest.mark.parametrize("repository", [None, "me/it"])
def test_the_readme_names_the_repository_that_builds_it_where_there_is_one(monkeypatch, repository) -> None:
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    if repository is not None:
        for name, value in (("REPOSITORY", repository), ("SERVER_URL", "https://host"), ("SHA", "0f")):
            monkeypatch.setenv(f"GITHUB_{name}", value)
    metadata: dict = {}
    ProjectUrls(str(ROOT), {}).update(metadata)
    text, plain = metadata["readme"]["text"], (ROOT / "README.md").read_text()
    relative = re.findall(r"\]\((?!https?:|#)([^)#]+)", plain)
    assert relative
    assert all((ROOT / path).exists() for path in relative)
    if repository is None:
        assert (text, metadata["urls"]) == (plain, {})
        return
    assert not re.search(r"\]\((?!https?:|#)", text)
    assert metadata["urls"]["Source"] == "https://host/me/it"
