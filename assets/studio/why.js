// How the picture was made: sources and their shares, expectation and measurement, curves, and what else could be asked.

import { at, el } from "./dom.js";
import { drawDiff } from "./diff.js";
import { compareWith, restore } from "./film.js";
import { complete, enter, onwards, there } from "./loop.js";
import { post } from "./net.js";
import { changed, on, set, state } from "./store.js";

const KINDS = [["computed", "computed by the network"], ["coasted", "carried over from cached pictures"], ["reused", "reused from earlier steps"], ["cached", "taken as cached"]];
let charts = null;
let shown = "";
let isDrawing = false;
let waiting = null;
let isLive = false;

export function setUp() {
  at("why").addEventListener("toggle", () => changed("stage"));
  on("stage nodes settings", draw);
  on("progress", live);
  // What was drawn of a run that came to nothing, or was left, is another picture's.
  on("run", () => { if (!state.run && isLive) { shown = ""; draw(); } });
}

async function draw() {
  if (!at("why").open) return;
  const node = state.nodes.get(state.current);
  const signature = JSON.stringify([document.documentElement.dataset.theme, node?.key, node?.state, node?.measured, state.settings.pinned, state.settings.excluded]);
  if (signature === shown) return;
  shown = signature;
  isLive = false;
  const body = at("why-body");
  // Charts listen to the window until they are told not to.
  body.querySelectorAll(".js-plotly-plot").forEach((chart) => window.Plotly.purge(chart));
  if (!node) { body.replaceChildren(el("p", { class: "note" }, "Make a picture first.")); return; }
  const { sources, error } = node.sources.length ? await post("sources", { key: node.key }).catch(({ message }) => ({ sources: [], error: message })) : { sources: [] };
  if (error) shown = "";
  if (node.key !== state.current) return;
  body.replaceChildren(el("div", { class: "why-grid" },
    el("section", {}, el("h3", {}, "In words"), el("p", {}, node.reason), ...node.warnings.map((warning) => el("p", { class: "note" }, warning)), facts(node), whatIf(node)),
    el("section", {}, el("h3", {}, "Made from"), sourceTable(node, sources, error), hands()),
    el("section", {}, el("h3", { id: "angle-title" }, "Turn against the cached path, degrees per step"), el("div", { class: "chart", id: "angle-chart", role: "img", "aria-labelledby": "angle-title" })),
    el("section", {}, el("h3", { id: "latency-title" }, "Where the seconds went"), el("div", { class: "chart", id: "latency-chart", role: "img", "aria-labelledby": "latency-title" })),
    el("p", { class: "note" }, KINDS.flatMap(([kind, what]) => [el("i", { style: `display:inline-block;width:10px;height:10px;border-radius:2px;background:var(--${kind})` }), ` ${what}   `]))));
  curves(node.angles, node.seconds);
}

function facts(node) {
  const expected = node.expected ? `${node.expected[0]} to ${node.expected[2]} dB, ${node.expected[1]} in the middle` : "–";
  const rows = [
    ["Asked for", node.budget ? `at most ${node.budget} computed steps` : node.fidelity ? `at least ${node.fidelity} dB` : node.strategy === "baseline" ? "every step" : "what is hard to tell from exact (40 dB)"],
    ["Method", node.planned === node.strategy ? node.strategy : `${node.strategy}, which chose ${node.planned}`],
    ["Computed", `${node.nfe} of ${node.steps} steps, ${node.rows} network rows${node.background ? `; ${node.background} steps more to make it exact` : ""}`],
    ["Expected", expected], ["Measured", node.measured !== null ? `${node.measured} dB, SSIM ${node.ssim}` : node.state === "exact" ? "itself the from-scratch picture" : state.model.is_shared ? "not yet" : "not yet: idle time will tell"],
  ];
  return el("table", {}, el("tbody", {}, rows.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value)))));
}

function whatIf(node) {
  const ask = (label, changes) => el("button", { type: "button", class: "quiet", onclick: () => enter({ ...own(node), apart: true, ...changes }) }, label);
  const methods = el("select", { "aria-label": "Another method", onchange: () => { go.disabled = !methods.value; } },
    el("option", { value: "" }, "another method…"), state.strategies.map(({ name, line }) => el("option", { value: name }, line)));
  // Its own button: who goes through a list with the arrow keys does not want a run of every entry.
  const go = el("button", { type: "button", class: "quiet", disabled: true, onclick: () => enter({ ...own(node), strategy: methods.value, quality: "evaluations", amount: Math.max(3, node.nfe), apart: true }) }, "Try it");
  const fewer = Math.max(1, Math.round(node.nfe / 2)), more = Math.min(node.steps, Math.max(node.nfe + 1, Math.round(node.nfe * 1.6)));
  return el("p", { class: "row", style: "margin-top:8px" }, "What if: ", ask(`${fewer} steps`, { quality: "evaluations", amount: fewer }), ask(`${more} steps`, { quality: "evaluations", amount: more }),
    node.state === "exact" ? null : el("button", { type: "button", class: "quiet", onclick: () => complete(node.key) }, "exact"), methods, go);
}

const own = (made) => { const node = onwards(made); return { prompt: node.prompt, negative_prompt: node.negative_prompt, seed: node.seed, steps: node.steps, guidance: node.guidance, width: node.width, height: node.height, strategy: node.strategy }; };

function sourceTable(node, sources, error) {
  if (!node.sources.length) return el("p", { class: "note" }, "Nothing cached was used.");
  if (!sources.length) return el("p", { class: "note" }, error || "Its sources are no longer kept.");
  const rows = sources.map((source) => {
    const difference = el("td", {});
    drawDiff(difference, source.prompt, node.prompt);
    const left = source.negative_prompt ? `leaving out “${source.negative_prompt}”` : "leaving nothing out";
    const apart = [source.negative_prompt === node.negative_prompt ? null : left, source.guidance === node.guidance ? null : `guidance ${source.guidance}`];
    difference.append(el("span", { class: "note" }, apart.filter(Boolean).map((words) => `, ${words}`).join("")));
    const isPinned = state.settings.pinned.includes(source.key), isExcluded = state.settings.excluded.includes(source.key);
    const toggle = (name, is) => set({ [name]: is ? state.settings[name].filter((key) => key !== source.key) : [...state.settings[name], source.key] });
    return el("tr", {}, el("td", { class: "figure" }, source.weight === null ? "–" : `${Math.round(100 * source.weight)} %`), difference,
      el("td", {}, el("span", { class: "row", style: "flex-wrap:nowrap" },
        el("button", { type: "button", class: "quiet", title: "Show", "aria-label": `Show ${source.prompt}`, onclick: () => restore(source.key) }, "◎"),
        el("button", { type: "button", class: "quiet", title: "Compare", "aria-label": `Compare with ${source.prompt}`, onclick: () => compareWith(source.key) }, "⇄"),
        el("button", { type: "button", class: "quiet", title: "Start only from pinned sources", "aria-label": `Pin ${source.prompt} as a source`, "aria-pressed": String(isPinned), onclick: () => toggle("pinned", isPinned) }, "◆"),
        el("button", { type: "button", class: "quiet", title: "Never start from this", "aria-label": `Exclude ${source.prompt}`, "aria-pressed": String(isExcluded), onclick: () => toggle("excluded", isExcluded) }, "✕"))));
  });
  const match = node.match ? el("p", { class: "note" }, `Nearest by meaning: ${node.match.similarity} (${node.match.tier}${node.match.exact ? "" : ", itself approximate"}).`) : null;
  return el("div", {}, el("table", {}, el("thead", {}, el("tr", {}, el("th", { class: "figure" }, "Share"), el("th", {}, "Prompt, and what changed"), el("th", {}, "By hand"))), el("tbody", {}, rows)), match);
}

function hands() {
  const pinned = there(state.settings.pinned), excluded = there(state.settings.excluded);
  if (!pinned.length && !excluded.length) return null;
  return el("p", { class: "row note" }, `${pinned.length} pinned, ${excluded.length} excluded as sources.`,
    el("button", { type: "button", class: "quiet", onclick: () => set({ pinned: [], excluded: [] }) }, "Let the planner choose again"));
}

async function plotly() {
  charts ??= new Promise((resolve, reject) => {
    const script = el("script", { src: "studio/plotly.min.js", onload: () => resolve(window.Plotly), onerror: (error) => { charts = null; reject(error); } });
    document.head.append(script);
  });
  return charts;
}

/** Plotly redraws in place, so zoom and pointer stay. What was asked for last is drawn last. */
async function curves(...asked) {
  waiting = asked;
  if (isDrawing || !at("angle-chart")) return;
  isDrawing = true;
  try {
    const Plotly = await plotly();
    const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
    const look = { margin: { l: 36, r: 8, t: 6, b: 28 }, height: 190, paper_bgcolor: "#0000", plot_bgcolor: "#0000", font: { color: colour("--ink"), size: 11 }, showlegend: false,
      xaxis: { gridcolor: colour("--line"), rangemode: "tozero" }, yaxis: { gridcolor: colour("--line"), rangemode: "tozero" } };
    while (waiting) {
      const [angles, phases] = waiting;
      waiting = null;
      const steps = Object.keys(angles).map(Number).sort((a, b) => a - b);
      const options = { displayModeBar: false, responsive: true, staticPlot: false };
      if (at("angle-chart")) await Plotly.react(at("angle-chart"), [{ x: steps, y: steps.map((k) => angles[k]), type: "scatter", mode: "lines+markers", line: { color: colour("--computed") }, hovertemplate: "step %{x}: %{y:.1f}°<extra></extra>" }], { ...look, annotations: steps.length ? [] : [{ text: "no step was computed beside a cached path", showarrow: false }] }, options);
      const names = Object.keys(phases);
      if (at("latency-chart")) await Plotly.react(at("latency-chart"), [{ x: names, y: names.map((name) => phases[name]), type: "bar", marker: { color: colour("--coasted") }, hovertemplate: "%{x}: %{y:.3f} s<extra></extra>" }], { ...look, xaxis: { ...look.xaxis, type: "category", autorange: true } }, options);
    }
  } catch { /* without charts the table still tells */ } finally { isDrawing = false; }
}

let last = 0;
function live() {
  const { run } = state;
  if (!at("why").open || !run || run.name !== "run" || run.isLeft || performance.now() - last < 250) return;
  last = performance.now();
  isLive = true;
  const spent = Object.fromEntries(run.latency.map((value, k) => [`${k}`, value]).filter(([, value]) => value !== undefined));
  curves(run.angles, spent);
}

