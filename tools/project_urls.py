"""The project's addresses in the metadata of what is built: those of the GitHub repository that builds it.

Hatchling runs this at every build. Elsewhere than in a GitHub workflow there is no repository to name, and no address.
"""

import os
import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

# What stands before the path of a file of the repository, in an image and in any other Markdown link.
IMAGE, LINK = re.compile(r"!\[[^\]]*\]\((?!https?:)"), re.compile(r"\]\((?!https?:|#)")


class ProjectUrls(MetadataHookInterface):
    """Fills `project.urls` and `project.readme` from the variables that GitHub sets."""

    def update(self, metadata: dict) -> None:
        """Add the addresses to the core metadata."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        repository = os.environ.get("GITHUB_REPOSITORY")
        metadata["urls"] = {}
        if repository is not None:
            address = f"{os.environ['GITHUB_SERVER_URL']}/{repository}"
            text = with_addresses(text, address, os.environ["GITHUB_SHA"])
            metadata["urls"] = {
                "Homepage": address,
                "Documentation": f"{address}/tree/main/docs",
                "Source": address,
                "Issues": f"{address}/issues",
                "Changelog": f"{address}/blob/main/CHANGELOG.md",
            }
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def with_addresses(text: str, address: str, commit: str) -> str:
    """The text with files of the repository named by their addresses, for pages that do not lie beside them."""
    for before, kind in ((IMAGE, "raw"), (LINK, "blob")):
        text = before.sub(rf"\g<0>{address}/{kind}/{commit}/", text)
    return text
