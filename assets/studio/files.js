// Files in and out: PNG with its settings, pasted parameters, sessions, links, and the picture as Python.

import { at, menu, plural, save, toast } from "./dom.js";
import { fileName, savePicture } from "./film.js";
import { fill, onwards, say, typed } from "./loop.js";
import { download, post } from "./net.js";
import { changed, state, takeLibrary } from "./store.js";

const SHARED = ["prompt", "negative_prompt", "seed", "steps", "guidance", "width", "height", "strategy"];

export function setUp() {
  at("more").addEventListener("click", () => menu(at("more"), pictureItems()));
  at("film-more").addEventListener("click", () => menu(at("film-more"), [
    ["Save the session as a file", saveSession], ["Open a session or a PNG…", () => at("file").click()], ["Forget all but the pinned", forgetAll],
  ]));
  at("file").addEventListener("change", () => { take(at("file").files[0]); at("file").value = ""; });
  let depth = 0;
  addEventListener("dragenter", (event) => { if (event.dataTransfer?.types.includes("Files")) { depth += 1; document.body.classList.add("dropping"); } });
  addEventListener("dragleave", () => { depth = Math.max(0, depth - 1); if (!depth) document.body.classList.remove("dropping"); });
  // Words dragged into a field are the browser's own affair.
  const isText = (event) => !event.dataTransfer?.types.includes("Files") && event.target.closest?.("input, textarea");
  addEventListener("dragover", (event) => { if (!isText(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (isText(event)) return;
    event.preventDefault();
    depth = 0;
    document.body.classList.remove("dropping");
    take(event.dataTransfer.files[0]);
  });
  addEventListener("paste", pasted);
  addEventListener("hashchange", restoreLink);
  restoreLink();
}

function pictureItems() {
  const node = state.nodes.get(state.current);
  const copied = (what, text) => [what, () => copy(text)];
  const scratch = node && node.state === "exact" && node.nfe < node.steps;
  return [
    ...(node ? [["Download PNG", () => savePicture(node)]] : []),
    ...(scratch ? [["Download as it came from the cache", () => savePicture(node, "cached")]] : []),
    ...(node ? [copied("Copy as Python", python(node)), copied("Copy A1111 parameters", parameters(node))] : []),
    copied("Copy a link to this form", link()),
    ["Paste parameters…", () => { at("prompt").focus(); toast("Paste with Ctrl+V: A1111 parameters or our JSON fill the form."); }],
    ["Open a PNG or a session…", () => at("file").click()],
  ];
}

async function copy(text) {
  try { await navigator.clipboard.writeText(text); toast("Copied."); } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const isDone = document.execCommand("copy");
    area.remove();
    toast(isDone ? "Copied." : "The browser does not let this page copy.");
  }
}

const quoted = (text) => JSON.stringify(text);

export function python(node) {
  const options = [`seed=${node.seed}`, `steps=${node.steps}`, `guidance=${node.guidance}`, `height=${node.height}`, `width=${node.width}`];
  if (node.negative_prompt) options.push(`negative_prompt=${quoted(node.negative_prompt)}`);
  if (node.strategy !== "auto") options.push(`strategy=${quoted(node.strategy)}`);
  if (node.budget) options.push(`budget=${node.budget}`);
  if (node.fidelity) options.push(`fidelity=${node.fidelity}`);
  return `import trajflow\n\nsession = trajflow.Session(trajflow.load(${quoted(state.model.name)}))\nresult = session.generate(\n    ${quoted(node.prompt)},\n    ${options.join(",\n    ")},\n)\nresult.image.save(${quoted(fileName(node))})\n`;
}

export function parameters(node) {
  const negative = node.negative_prompt ? `Negative prompt: ${node.negative_prompt}\n` : "";
  return `${node.prompt}\n${negative}Steps: ${node.steps}, Sampler: Euler, CFG scale: ${node.guidance}, Seed: ${node.seed}, Size: ${node.width}x${node.height}, Model: ${state.model.name}, Trajflow strategy: ${node.strategy}`;
}

/** The form in the address, behind the # that no server sees. */
export function link() {
  const values = Object.fromEntries(SHARED.map((name) => [name, state.settings[name]]));
  return `${location.origin}${location.pathname}#${new URLSearchParams(values)}`;
}

export function restoreLink() {
  if (location.hash.length < 3) return;
  const given = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  history.replaceState(null, "", location.pathname + location.search);
  if (!given.prompt) return;
  const number = (name) => (given[name] !== undefined && Number.isFinite(Number(given[name])) && given[name] !== "" ? Number(given[name]) : undefined);
  fill({ prompt: given.prompt.slice(0, 2000), negative_prompt: (given.negative_prompt || "").slice(0, 2000), strategy: given.strategy, ...Object.fromEntries(["seed", "steps", "guidance", "width", "height"].map((name) => [name, number(name)])) });
  say("done", "The form is as in the link. Enter makes the picture.");
  typed();
}

async function take(file) {
  if (!file) return;
  try {
    if (/\.zip$/i.test(file.name) || file.type === "application/zip") {
      const asked = performance.now();
      const library = await post("load", file);
      takeLibrary(library, asked);
      say("done", `Opened: ${plural(library.pictures, "picture")}, ${library.paths} with ${library.paths === 1 ? "its path" : "their paths"}.`);
      return;
    }
    const isPicture = file.type.startsWith("image/") || /\.png$/i.test(file.name);
    filled(await post("read", file, { headers: { "Content-Type": isPicture ? "image/png" : "text/plain" } }), isPicture ? "The picture's settings are in the form." : "The settings are in the form.");
  } catch (error) { toast(error.message); say("error", error.message); }
}

function filled(settings, text) {
  fill(onwards(settings));
  say("done", `${text} Enter makes it.`);
  at("prompt").focus();
  typed();
}

async function pasted(event) {
  const file = [...(event.clipboardData?.files || [])][0];
  const text = event.clipboardData?.getData("text") || "";
  // Office programs put a picture of copied text beside it: in a field the text is meant.
  if (file && !(text && event.target.closest?.("input, textarea"))) { event.preventDefault(); take(file); return; }
  const isOurs = /(^|\n)Steps: \d+,/.test(text) || /^\s*\{[\s\S]*"prompt"/.test(text);
  if (!isOurs) return;
  event.preventDefault();
  try { filled(await post("read", new Blob([text]), { headers: { "Content-Type": "text/plain" } }), "The pasted settings are in the form."); } catch (error) { toast(error.message); }
}

async function saveSession() {
  try { save(await download("save", { method: "POST" }), `trajflow-session-${new Date().toISOString().slice(0, 10)}.zip`); } catch (error) { toast(error.message); }
}

async function forgetAll() {
  try { takeLibrary(await post("clear")); say("done", "Forgotten; Undo brings the last ones back."); } catch (error) { toast(error.message); }
}

