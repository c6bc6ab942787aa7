// The method lab: one edit under every method at one budget, against its from-scratch picture, which alone is kept.

import { at, el, seconds, toast } from "./dom.js";
import { request, start } from "./loop.js";
import { post } from "./net.js";
import { changed, on, set, state } from "./store.js";

const TIERED = ["resume", "blend", "published"];
const COLUMNS = ["Picture", "Method", "Computed", "PSNR", "SSIM", "Seconds", "Step by step, and why"];

export function setUp() {
  const view = at("view-lab");
  view.classList.add("lab");
  const budget = el("input", { type: "number", id: "lab-budget", min: "1" });
  budget.value = "7";
  view.replaceChildren(
    el("p", { class: "note" }, "The prompt above, made by every method from the pictures of this session as if it had not been made yet. Each is measured against its from-scratch picture, at one number of computed steps; ", TIERED.join(", "), " also at what the tables of similarity tiers say."),
    el("div", { class: "inline" }, el("label", {}, "Computed steps", budget), el("button", { type: "button", class: "primary", id: "lab-go", onclick: () => compareMethods(Number(budget.value)) }, "Compare the methods"),
      el("button", { type: "button", class: "quiet", id: "lab-tiers", onclick: () => compareTiers() }, "Compare the tiers only")),
    tiers(),
    el("p", { class: "status", id: "lab-status", role: "status", "aria-live": "polite" }, ""),
    el("table", { id: "lab-table" }, el("thead", {}, el("tr", {}, COLUMNS.map((name, i) => el("th", { scope: "col", class: i > 1 && i < 6 ? "figure" : null }, name)))), el("tbody", {})),
    el("h3", {}, "What must be kept to resume a run"),
    el("p", { class: "note" }, "The current picture, once it is exact, resumed at its middle from ever more of what its run knew. Only with its place on the grid it becomes the same picture again."),
    el("button", { type: "button", class: "quiet", id: "ablate", onclick: ablate }, "Resume the current picture"),
    el("div", { class: "row", id: "kept", style: "margin:8px 0 16px" }));
  showLearned();
}

const percent = (fraction) => `${Math.round(100 * fraction)} %`;

/** What the presets say, and a row of one's own. */
function tiers() {
  const rows = Object.entries(state.tiers).map(([name, table]) => el("tr", {}, el("th", { scope: "row" }, name), table.map(([least, fraction]) => el("td", {}, `from ${least.toFixed(2)}: ${percent(fraction)}`))));
  const learned = el("tr", { id: "learned-tiers" }, el("th", { scope: "row" }, "learned"));
  const own = state.tiers.published.map((_, place) => {
    const number = (column, what, attributes) => {
      const input = el("input", { type: "number", id: `own-tier-${place}-${what}`, "aria-label": `My tier ${place + 1}: ${what}`, ...attributes });
      const shown = () => { const value = ownTiers()[place][column]; return String(column ? Math.round(100 * value) : value); };
      input.value = shown();
      input.addEventListener("change", () => {
        const table = ownTiers();
        if (input.value !== "") table[place][column] = column ? Number(input.value) / 100 : Number(input.value);
        set({ ownTiers: table });
      });
      on("settings", () => { if (input !== document.activeElement) input.value = shown(); });
      return input;
    };
    return el("td", {}, el("span", { class: "row tier" }, "from ", number(0, "similarity", { min: "-1", max: "1", step: "0.01" }), number(1, "percent", { min: "0", max: "100", step: "5" }), " %"));
  });
  return el("details", { class: "tiers", id: "tiers", open: innerWidth > 760 }, el("summary", {}, "Similarity tiers: how much of the nearest picture's path is taken as it is"),
    el("table", {}, el("tbody", {}, rows, learned, el("tr", {}, el("th", { scope: "row" }, "my own"), own))),
    el("p", { class: "note" }, el("span", { id: "learned-line" }), " ", el("button", { type: "button", class: "quiet", id: "forget-learned", onclick: () => showLearned({ forget: true }) }, "Forget what was learned")));
}

/** The table this session has learned, and what it rests on. */
async function showLearned(asked = {}) {
  const told = await post("learned", asked).catch((error) => toast(error.message));
  if (!told) return;
  const row = at("learned-tiers");
  row.replaceChildren(row.firstChild, ...told.tiers.map(([least, fraction]) => el("td", {}, least < 1 ? `from ${least.toFixed(2)}: ${percent(fraction)}` : "never")));
  at("learned-line").textContent = told.line;
  at("forget-learned").hidden = !told.resumes;
}

const ownTiers = () => (state.settings.ownTiers || state.tiers.published).map((pair) => [...pair]);

const KEPT = { picture: "the picture, noised anew", latents: "its latents, on a grid begun anew", state: "its latents and their place on the grid" };

async function ablate() {
  const key = state.current;
  at("kept").replaceChildren();
  if (!key) { toast("Make a picture first."); at("prompt").focus(); return; }
  const last = await start("ablate", { key, steps: state.settings.steps }, (event) => {
    if (event.type !== "kept") return;
    at("kept").append(el("figure", { style: "width:170px" }, el("img", { src: event.image, alt: KEPT[event.kept], width: 160 }),
      el("figcaption", { class: "note" }, `${KEPT[event.kept]}: ${event.identical ? "identical" : `${event.psnr_db.toFixed(1)} dB`}`)));
  });
  if (last?.type === "done") at("lab-status").textContent = "Nothing of this is kept.";
}

const asked = (changes) => request({ level: "good", apart: true, pinned: [], excluded: [], ...changes });

function tierRows() {
  const tables = [...Object.keys(state.tiers).map((name) => [name, name]), ["learned", "learned"], ["my own", ownTiers()]];
  return TIERED.flatMap((strategy) => tables.map(([name, table]) => [`${strategy}, ${name} tiers`, asked({ strategy, quality: "tiers", amount: null, tiers: table })]));
}

function compareMethods(budget) {
  const methods = state.strategies.filter(({ name }) => name !== "baseline");
  run([...methods.map(({ name }) => [name, asked({ strategy: name, quality: "evaluations", amount: budget })]), ...tierRows()], "methods");
}

function compareTiers() { run(tierRows(), "tables"); }

async function run(rows, what) {
  if (!state.settings.prompt.trim()) { toast("Write a prompt first."); at("prompt").focus(); return; }
  const body = at("lab-table").querySelector("tbody");
  body.replaceChildren();
  const last = await start("sheet", { lab: true, cells: rows.map(([, each]) => each), steps: state.settings.steps }, (event) => {
    if (event.type === "step") at("lab-status").textContent = `Computing: step ${event.k + 1} of ${event.steps}.`;
    if (event.type !== "cell") return;
    at("lab-status").textContent = `${event.done} of ${event.of} ${what}, ${seconds(event.left_seconds)} left.`;
    const row = drawn(rows[event.index][0], event);
    row.dataset.psnr = event.psnr_db ?? -1;
    const after = [...body.children].find((other) => Number(other.dataset.psnr) < Number(row.dataset.psnr));
    body.insertBefore(row, after || null);
  });
  changed("stage");
  showLearned();
  at("lab-status").textContent = last?.type === "done" ? `All ${what}, the nearest to the from-scratch picture first.` : last?.type === "error" ? last.text : "Stopped.";
}

function drawn(name, event) {
  if (event.error) return el("tr", {}, el("td", {}), el("th", { scope: "row" }, name), el("td", { colSpan: 5 }, event.error));
  return el("tr", {}, el("td", {}, el("img", { src: event.image, alt: name, width: 64, height: 64 })), el("th", { scope: "row" }, name),
    el("td", { class: "figure" }, `${event.spent} of ${event.full}`), el("td", { class: "figure" }, `${event.psnr_db.toFixed(1)} dB`), el("td", { class: "figure" }, event.ssim.toFixed(3)),
    el("td", { class: "figure" }, seconds(event.seconds)),
    el("td", { class: "how" }, el("span", { class: "strip", "aria-hidden": "true" }, event.kinds.map((kind) => el("i", { class: kind }))), el("span", {}, event.reason), event.tier ? el("span", { class: "note told-tier" }, tierTold(event)) : null));
}

function tierTold({ tier, full }) {
  const what = tier.taken ? `${tier.taken} of ${full} steps taken as cached` : "nothing taken as cached";
  return `Nearest: “${tier.prompt}”, similarity ${tier.similarity.toFixed(2)}, ${tier.name}: ${what}.`;
}
