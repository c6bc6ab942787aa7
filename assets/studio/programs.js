// The same for programs: named endpoints, in three languages.

import { at, el } from "./dom.js";

const ENDPOINTS = [
  ["/generate", "a picture and its report"], ["/stream", "the same, step by step"], ["/compare", "the picture, its from-scratch picture, and both measured"],
  ["/grid", "a contact sheet of {this|that} x seeds"], ["/history", "what a session holds"], ["/export", "a session as one file"],
];

export function setUp() {
  const url = location.origin + location.pathname.replace(/\/$/, "");
  const code = (text) => el("pre", { tabIndex: 0 }, text);
  at("view-programs").classList.add("programs");
  at("view-programs").replaceChildren(
    el("p", {}, "Every setting of the library, by gradio_client, HTTP or as MCP tools (start with GRADIO_MCP_SERVER=True). A call without a session begins one; its secret is in the report, and calls that name it share its pictures, so the second costs a fraction."),
    el("table", {}, el("thead", {}, el("tr", {}, el("th", {}, "Endpoint"), el("th", {}, "Gives"))), el("tbody", {}, ENDPOINTS.map(([name, gives]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, gives))))),
    el("h3", {}, "Python"), code(`from gradio_client import Client\n\nclient = Client("${url}")\npicture, report = client.predict("a mountain at dusk", seed=7, api_name="/generate")\npicture, report = client.predict("a mountain at noon", seed=7, session=report["session"], api_name="/generate")\nprint(report["nfe"], "of", report["steps"], "steps computed")`),
    el("h3", {}, "curl"), code(`curl -s ${url}/gradio_api/call/generate -H 'Content-Type: application/json' \\\n  -d '{"data": ["a mountain at dusk", 7, "auto", null, false, null, null, null, "", null, null, ""]}'\ncurl -N ${url}/gradio_api/call/generate/EVENT_ID`),
    el("h3", {}, "JavaScript"), code(`import { Client } from "@gradio/client";\n\nconst client = await Client.connect("${url}");\nconst { data: [picture, report] } = await client.predict("/generate", { prompt: "a mountain at dusk", seed: 7 });`));
}
