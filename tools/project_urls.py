"""The project's addresses in the metadata of what is built: those of the GitHub repository that builds it.

Hatchling runs this at every build. Elsewhere than in a GitHub workflow there is no repository to name, and no address.
"""

import os

from hatchling.metadata.plugin.interface import MetadataHookInterface


class ProjectUrls(MetadataHookInterface):
    """Fills `project.urls` from the variables that GitHub sets."""

    def update(self, metadata: dict) -> None:
        """Add the addresses to the core metadata."""
        repository = os.environ.get("GITHUB_REPOSITORY")
        if repository is None:
            metadata["urls"] = {}
            return
        address = f"{os.environ['GITHUB_SERVER_URL']}/{repository}"
        metadata["urls"] = {
            "Homepage": address,
            "Documentation": f"{address}/tree/main/docs",
            "Source": address,
            "Issues": f"{address}/issues",
            "Changelog": f"{address}/blob/main/CHANGELOG.md",
        }
