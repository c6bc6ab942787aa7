"""The documented calls of docs/api.md as they are written there, against a server that also serves MCP tools."""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()
# Where `.ci/run` installs it.
PACKAGES = ROOT / "build" / "js" / "node_modules"
DOCUMENTED = "http://127.0.0.1:7860"


@pytest.fixture(scope="module")
def address(serve, tmp_path_factory):
    with serve(tmp_path_factory.mktemp("server"), GRADIO_MCP_SERVER=str(find_spec("mcp") is not None)) as url:
        yield url


def block(section, language, address):
    """The first code block of a section, asking the server at `address`."""
    text = PAGE[PAGE.index(f"\n## {section}\n") :]
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found
    assert DOCUMENTED in found[1]
    return found[1].replace(DOCUMENTED, address)


def said(*command, cwd=None):
    """What a program prints; it must end well."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_python_call_shares_the_session(address, tmp_path):
    out = said(sys.executable, "-c", block("Python", "python", address), cwd=tmp_path)
    spent, steps = map(int, re.search(r"(\d+) of (\d+) steps computed, from a mountain at dusk", out).groups())
    assert 0 < spent < steps == 28
    assert "None" in out.splitlines()[-1], "the last event of a stream is the picture with its report"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_http_call_gives_the_picture(address, tmp_path):
    asked, told = block("HTTP", "sh", address).replace("\\\n", " ").strip().splitlines()
    event = re.search(r'"event_id":\s*"(\w+)"', said("sh", "-c", asked))[1]
    out = said("sh", "-c", told.replace("EVENT_ID", event))
    assert "event: complete" in out
    assert '"nfe": 28' in out
    assert "image.png" in out


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.skipif(not PACKAGES.is_dir(), reason="npm install --prefix build/js @gradio/client has not been run")
def test_the_javascript_call_gives_the_picture(address, tmp_path):
    (tmp_path / "node_modules").symlink_to(PACKAGES)
    more = "\nconst file = await fetch(picture.url);\nconsole.log(report.nfe, report.session.length, file.status);\n"
    more += "const again = { prompt: 'a mountain at noon', seed: 7, session: report.session };\n"
    more += "console.log((await client.predict('/generate', again)).data[1].shared_pictures);\nprocess.exit(0);\n"
    (tmp_path / "call.mjs").write_text(block("JavaScript", "js", address) + more)
    assert said("node", "call.mjs", cwd=tmp_path).split() == ["28", "32", "200", "1"]


@pytest.mark.skipif(find_spec("mcp") is None, reason='pip install "trajflow[mcp]"')
def test_the_mcp_call_gives_the_picture(address, tmp_path):
    out = said(sys.executable, "-c", block("MCP", "python", address), cwd=tmp_path)
    assert out.splitlines()[-1] == "['image', 'text', 'text']"


@pytest.mark.skipif(find_spec("mcp") is None, reason='pip install "trajflow[mcp]"')
def test_every_endpoint_is_a_tool_that_says_what_it_takes(address):
    tools, refused = anyio_run(address)
    assert {"generate", "stream", "compare", "history", "grid", "export"} == set(tools)
    assert {"prompt", "seed", "session", "negative_prompt"} <= set(tools["generate"].inputSchema["properties"])
    assert all(tool.description for tool in tools.values())
    assert refused.isError
    assert "from 1 to 200" in refused.content[0].text


def anyio_run(address):
    import anyio
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def ask():
        async with (
            streamable_http_client(f"{address}/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as client,
        ):
            await client.initialize()
            tools = (await client.list_tools()).tools
            refused = await client.call_tool("generate", {"prompt": "a lake", "steps": 9999})
            return {tool.name: tool for tool in tools}, refused

    return anyio.run(ask)
