// The method lab: one edit under every method at one budget, against its from-scratch picture. Nothing of it is kept.

import { at, el, seconds } from "./dom.js";
import { request, start } from "./loop.js";
import { state } from "./store.js";

const TIERS = ["published", "conservative", "aggressive"];
const TIERED = ["resume", "blend"];

export function setUp() {
  const view = at("view-lab");
  view.classList.add("lab");
  const budget = el("input", { type: "number", id: "lab-budget", min: "1" });
  budget.value = "7";
  view.replaceChildren(
    el("p", { class: "note" }, "The prompt above, made by every method from the pictures of this session as if it had not been made yet. Each is measured against its from-scratch picture, at one number of computed steps; resume and blend also at what the three presets of similarity tiers say."),
    el("div", { class: "inline" }, el("label", {}, "Computed steps", budget), el("button", { type: "button", class: "primary", id: "lab-go", onclick: () => run(Number(budget.value)) }, "Compare the methods")),
    el("p", { class: "status", id: "lab-status", role: "status", "aria-live": "polite" }, ""),
    el("table", { id: "lab-table" }, el("thead", {}, el("tr", {}, ["Picture", "Method", "Computed", "PSNR", "SSIM", "Seconds", "Why"].map((name, i) => el("th", { scope: "col", class: i > 1 && i < 6 ? "figure" : null }, name)))), el("tbody", {})),
    el("h3", {}, "What must be kept to resume a run"),
    el("p", { class: "note" }, "The current picture, once it is exact, resumed at its middle from ever more of what its run knew. Only with its place on the grid it becomes the same picture again."),
    el("button", { type: "button", class: "quiet", id: "ablate", onclick: ablate }, "Resume the current picture"),
    el("div", { class: "row", id: "kept", style: "margin:8px 0 16px" }));
}

const KEPT = { picture: "the picture, noised anew", latents: "its latents, on a grid begun anew", state: "its latents and their place on the grid" };

async function ablate() {
  const key = state.current;
  at("kept").replaceChildren();
  if (!key) { at("prompt").focus(); return; }
  const last = await start("ablate", { key, steps: state.settings.steps }, (event) => {
    if (event.type !== "kept") return;
    at("kept").append(el("figure", { style: "width:170px" }, el("img", { src: event.image, alt: KEPT[event.kept], width: 160 }),
      el("figcaption", { class: "note" }, `${KEPT[event.kept]}: ${event.identical ? "identical" : `${event.psnr_db.toFixed(1)} dB`}`)));
  });
  if (last?.type === "done") at("lab-status").textContent = "Nothing of this is kept.";
}

async function run(budget) {
  const prompt = state.settings.prompt.trim();
  if (!prompt) { at("prompt").focus(); return; }
  const ask = (changes) => request({ level: "good", quality: "evaluations", amount: budget, apart: true, pinned: [], excluded: [], ...changes });
  const rows = state.strategies.filter(({ name }) => name !== "baseline").map(({ name }) => [name, ask({ strategy: name })]);
  for (const name of TIERED) for (const tiers of TIERS) rows.push([`${name}, ${tiers} tiers`, { ...ask({ strategy: name, tiers }), quality: "tiers" }]);
  const body = at("lab-table").querySelector("tbody");
  body.replaceChildren();
  const last = await start("sheet", { lab: true, cells: rows.map(([, each]) => each), steps: state.settings.steps }, (event) => {
    if (event.type === "step") at("lab-status").textContent = `Computing: step ${event.k + 1} of ${event.steps}.`;
    if (event.type !== "cell") return;
    const [name] = rows[event.index];
    at("lab-status").textContent = `${event.done} of ${event.of} methods, ${seconds(event.left_seconds)} left.`;
    const row = event.error
      ? el("tr", {}, el("td", {}), el("th", { scope: "row" }, name), el("td", { colSpan: 5 }, event.error))
      : el("tr", {}, el("td", {}, el("img", { src: event.image, alt: name, width: 64, height: 64 })), el("th", { scope: "row" }, name),
        el("td", { class: "figure" }, `${event.spent} of ${event.full}`), el("td", { class: "figure" }, `${event.psnr_db.toFixed(1)} dB`), el("td", { class: "figure" }, event.ssim.toFixed(3)), el("td", { class: "figure" }, seconds(event.seconds)), el("td", {}, event.reason));
    row.dataset.psnr = event.psnr_db ?? -1;
    const after = [...body.children].find((other) => Number(other.dataset.psnr) < Number(row.dataset.psnr));
    body.insertBefore(row, after || null);
  });
  at("lab-status").textContent = last?.type === "done" ? "All methods, the nearest to the from-scratch picture first." : "Stopped.";
}
