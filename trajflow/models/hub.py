"""Models on the Hugging Face hub: their names, and plain words for what goes wrong on the way.

Where files are kept, the access token and offline mode are huggingface_hub's own: the environment variables HF_HOME,
HF_TOKEN and HF_HUB_OFFLINE.
"""

import re
from collections.abc import Iterator

from huggingface_hub import constants, get_token
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def is_hub_id(source: str) -> bool:
    """Whether a name has the form owner/model."""
    return HUB_ID.fullmatch(source) is not None


def explain(error: BaseException, source: str, revision: str | None) -> str | None:
    """One sentence that says what happened on the hub and what to do; None when it was not the hub."""
    errors = list(_chain(error))

    def is_any(*kinds: type[BaseException]) -> bool:
        return any(isinstance(each, kinds) for each in errors)

    page = f"{constants.ENDPOINT}/{source}"
    if is_any(GatedRepoError):
        if get_token() is None:
            return (
                f"{source} is gated and there is no access token: accept its terms at {page}, make a token at "
                f"{constants.ENDPOINT}/settings/tokens and set HF_TOKEN to it."
            )
        return f"{source} is gated and your access token does not open it: accept its terms at {page} as its owner."
    if is_any(RevisionNotFoundError):
        return f"{source} has no revision {revision!r}: choose a branch, tag or commit listed at {page}/commits."
    if is_any(RepositoryNotFoundError):
        return (
            f"There is no model {source} on the hub, or it is private: check the name, or set HF_TOKEN to a token that "
            "may read it."
        )
    if is_any(LocalEntryNotFoundError, OfflineModeIsEnabled):
        if constants.is_offline_mode() or is_any(OfflineModeIsEnabled):
            return (
                f"HF_HUB_OFFLINE is set and {source} is not complete in {constants.HF_HUB_CACHE}: unset it, or run "
                f"`hf download {source}` on a machine that is online and copy that folder."
            )
        return (
            f"The hub at {constants.ENDPOINT} cannot be reached and {source} is not complete in "
            f"{constants.HF_HUB_CACHE}: check the connection, or give a local folder."
        )
    if is_any(EntryNotFoundError):
        return f"{source} is not a diffusers pipeline: a file it needs, such as model_index.json, is missing there."
    for each in errors:
        if isinstance(each, HfHubHTTPError):
            status = each.response.status_code if each.response is not None else "no answer"
            return f"The hub refused {source} (HTTP {status}): try again later, or check HF_TOKEN."
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
