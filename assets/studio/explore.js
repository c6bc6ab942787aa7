// Variations and grids: many pictures in the order that shares the most, on one sheet.

import { at, el, plural, save, seconds, toast } from "./dom.js";
import { alone } from "./chips.js";
import { restore } from "./film.js";
import { request, say, start } from "./loop.js";
import { download, post } from "./net.js";
import { on, state } from "./store.js";

const AXES = [["", "nothing more"], ["guidance", "guidance"], ["steps", "steps"], ["strategy", "method"], ["evaluations", "computed steps"]];
let cells = [];
let columns = 4;

export function setUp() {
  const view = at("view-explore");
  view.classList.add("explore");
  const template = el("textarea", { id: "grid-template", rows: "2" });
  const seeds = el("input", { type: "text", id: "grid-seeds" });
  const axis = el("select", { id: "grid-axis" }, AXES.map(([value, label]) => el("option", { value }, label)));
  const values = el("input", { type: "text", id: "grid-values", placeholder: "2, 3, 4" });
  const other = el("input", { type: "text", id: "other-prompt", placeholder: "a mountain lake at night" });
  const mix = el("input", { type: "range", id: "mix", min: "0", max: "100", step: "5", "aria-label": "How far from A to B" });
  mix.value = "50";
  mix.addEventListener("input", () => { at("mix-told").textContent = `${mix.value} %`; });
  mix.addEventListener("change", () => between([Number(mix.value)]));
  view.replaceChildren(
    el("div", { class: "inline" }, el("b", {}, "Variations of the prompt:"),
      el("button", { type: "button", class: "quiet", id: "four-seeds", onclick: fourSeeds }, "Four other seeds"),
      el("button", { type: "button", class: "quiet", id: "small-changes", onclick: smallChanges }, "Small changes of the words")),
    el("div", { class: "inline" }, el("label", {}, "From the prompt (A) towards B", other), el("label", {}, "How far", mix), el("output", { id: "mix-told" }, "50 %"),
      el("button", { type: "button", class: "quiet", id: "five-strengths", onclick: () => between([0, 25, 50, 75, 100]) }, "Five on the way")),
    el("div", { class: "inline" }, el("label", {}, "Grid: {dawn|noon|sunset} over a {lake|city}", template), el("label", {}, "Seeds (-1: random)", seeds), el("label", {}, "and", axis), el("label", {}, "Values", values),
      el("button", { type: "button", class: "primary", id: "grid-go", onclick: () => grid(template, seeds, axis, values) }, "Make the grid")),
    el("p", { class: "status", id: "sheet-status", role: "status", "aria-live": "polite" }, "Pictures that share their words and seed share their steps: a grid costs a fraction."),
    el("div", { class: "row" }, el("button", { type: "button", class: "quiet", id: "contact", disabled: true, onclick: contact }, "Download the contact sheet"), el("span", { id: "sheet-told", class: "note" })),
    el("div", { class: "sheet", id: "sheet" }));
  on("typed", () => { template.placeholder = state.settings.prompt || "{dawn|noon|sunset} over a {lake|city}"; });
}

/** One request for a cell, as the form stands. */
const cell = (changes, label) => ({ label, ask: request({ level: "good", quality: state.settings.quality === "exact" ? "exact" : "balanced", amount: null, ...changes }) });
const randomSeed = () => Math.floor(Math.random() * 2 ** 31);

function fourSeeds() {
  if (needsPrompt()) return;
  run(Array.from({ length: 4 }, () => randomSeed()).map((seed) => cell({ seed }, `seed ${seed}`)), 4);
}

async function smallChanges() {
  if (needsPrompt()) return;
  const { prompt } = state.settings;
  const tails = (state.examples.chips || ["at dawn", "at night", "in the fog", "in winter"]).filter((tail) => !alone(tail).test(prompt)).slice(0, 6);
  run(tails.map((tail) => cell({ prompt: `${prompt} ${tail}` }, `… ${tail}`)), 3);
}

function between(strengths) {
  const other = at("other-prompt").value.trim();
  if (needsPrompt()) return;
  if (!other) { toast("Say what B is."); at("other-prompt").focus(); return; }
  const { prompt } = state.settings;
  run(strengths.map((percent) => cell({ prompt: percent === 0 ? prompt : percent === 100 ? other : `${prompt} ~${percent}%~ ${other}` }, `${percent} %`)), strengths.length === 1 ? 3 : strengths.length);
}

async function grid(template, seeds, axis, values) {
  const text = template.value.trim() || state.settings.prompt;
  if (!text.trim()) { toast("Write a prompt with choices, such as a lake at {dawn|night}."); return; }
  let prompts;
  try { ({ prompts } = await post("expand", { template: text })); } catch (error) { toast(error.message); return; }
  const seedList = seeds.value.split(/[\s,;]+/).filter(Boolean).map(Number).map((seed) => (seed === -1 ? randomSeed() : seed));
  if (!seedList.every(Number.isInteger)) { toast("Seeds are whole numbers, with commas."); seeds.focus(); return; }
  if (!seedList.length) seedList.push(request().seed);
  const axisName = axis.value;
  const valueList = axisName ? values.value.split(/[,;]/).map((value) => value.trim()).filter(Boolean) : [null];
  if (!valueList.length) { toast("Give the values of that setting, with commas."); values.focus(); return; }
  if (axisName && axisName !== "strategy" && !valueList.every((value) => Number.isFinite(Number(value)))) { toast("The values of that setting are numbers, with commas."); values.focus(); return; }
  const made = [];
  for (const prompt of prompts) for (const seed of seedList) for (const value of valueList) {
    const change = value === null ? {} : axisName === "strategy" ? { strategy: value, apart: true } : axisName === "evaluations" ? { quality: "evaluations", amount: Number(value), apart: true } : { [axisName]: Number(value) };
    made.push(cell({ prompt, seed, ...change }, [prompts.length > 1 ? prompt : null, seedList.length > 1 ? `seed ${seed}` : null, value && `${axisName} ${value}`].filter(Boolean).join(" · ") || prompt));
  }
  if (made.length > 96) { toast(`That makes ${made.length} pictures; a sheet has at most 96.`); return; }
  run(made, valueList.length > 1 ? valueList.length : seedList.length > 1 ? seedList.length : Math.min(4, prompts.length));
}

function needsPrompt() {
  if (state.settings.prompt.trim()) return false;
  toast("Write a prompt first.");
  at("prompt").focus();
  return true;
}

async function run(made, wide) {
  cells = made;
  columns = wide;
  const sheet = at("sheet");
  sheet.style.gridTemplateColumns = `repeat(${wide}, minmax(96px, 220px))`;
  sheet.style.setProperty("--ratio", `${state.settings.width} / ${state.settings.height}`);
  sheet.replaceChildren(...made.map(({ label }) => el("button", { type: "button", class: "cell", disabled: true, title: label, "aria-label": label }, el("span", {}, label))));
  at("contact").disabled = true;
  at("sheet-told").textContent = "";
  const began = performance.now();
  const tell = (text) => { at("sheet-status").textContent = text; };
  tell(`0 of ${plural(made.length, "picture")}.`);
  const last = await start("sheet", { cells: made.map(({ ask }) => ask), steps: state.settings.steps }, (event) => {
    if (event.type !== "cell") return;
    const button = sheet.children[event.index];
    if (event.error) { button.append(el("p", { class: "note" }, event.error)); return; }
    if (event.node) {
      cells[event.index].key = event.node.key;
      button.disabled = false;
      button.onclick = () => { if (restore(event.node.key)) at("tab-studio").click(); };
    }
    button.prepend(el("img", { src: event.image, alt: cells[event.index].label }));
    tell(`${event.done} of ${event.of}, ${seconds(event.left_seconds)} left; ${event.computed} steps computed, ${event.saved} saved.`);
  });
  // Another sheet has taken its place.
  if (cells !== made) return;
  if (last?.type === "done") {
    tell(`${plural(made.length, "picture")} in ${seconds((performance.now() - began) / 1000)}. ${at("sheet-status").textContent.split("; ")[1] || ""}`);
    say("done", "The sheet is there.");
  } else tell(`Stopped; ${plural(cells.filter(({ key }) => key).length, "picture")} made, which stay in the history.`);
  at("contact").disabled = !cells.some(({ key }) => key);
}

async function contact() {
  const there = cells.filter(({ key }) => key && state.nodes.has(key));
  try {
    save(await download("contact", { method: "POST", body: JSON.stringify({ keys: there.map(({ key }) => key), columns, labels: there.map(({ label }) => label) }) }), "trajflow-contact-sheet.png");
  } catch (error) { toast(error.message); }
}
