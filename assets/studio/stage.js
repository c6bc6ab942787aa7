// The stage: the current picture and another beside it, looked at in five ways.

import { at, plural, seconds, segments } from "./dom.js";
import { drawChange, settingsDiff } from "./diff.js";
import { complete, say } from "./loop.js";
import { changed, imageOf, on, otherKey, set, state } from "./store.js";

const MODES = [["side", "Side", "Side by side"], ["slider", "Slider"], ["flicker", "Flicker"], ["difference", "Difference"]];
const AGAINST = [["previous", "Previous"], ["scratch", "From scratch"]];
const FLICKER_MS = 550;
const ROUGH_DB = 28;

let drawn = 0;
let flicker = 0;
let view = { zoom: 1, x: 0, y: 0 };

export function setUp() {
  const showMode = segments(at("modes"), MODES, (mode) => { state.mode = mode; changed("stage"); });
  const showAgainst = segments(at("against"), AGAINST, choose);
  on("stage run nodes", () => { showMode(state.mode); showAgainst(state.against); draw(); });
  on("progress", progress);
  on("settings", () => {
    at("stage").dataset.smooth = state.settings.smooth ? "yes" : "no";
    at("smooth").setAttribute("aria-pressed", String(state.settings.smooth));
    at("smooth").textContent = state.settings.smooth ? "Smooth" : "Pixels";
  });
  at("smooth").addEventListener("click", () => set({ smooth: !state.settings.smooth }));
  at("zoom").addEventListener("click", () => toggleZoom());
  at("divider").addEventListener("input", divide);
  for (const frame of document.querySelectorAll(".frame")) handleZoom(frame);
}

function choose(against) {
  // Chosen once more: the picture before this one, no longer the one that was compared with it.
  if (against === "previous" && state.against === "previous") Object.assign(state, { other: null, isOtherChosen: false });
  state.against = against;
  const node = state.nodes.get(state.current);
  if (against === "scratch" && node && node.state !== "exact") {
    say("busy", "Computing the from-scratch picture, to compare.");
    complete(node.key);
  }
  changed("stage");
}

/** The two pictures to show: [key, which, title] each, null where there is none. */
function pair() {
  const node = state.nodes.get(state.current);
  if (!node) return [null, null];
  if (state.against === "scratch") {
    const scratch = node.state === "exact" ? [node.key, "exact", "From scratch"] : null;
    return [scratch, [node.key, "cached", "As it came from the cache"]];
  }
  const key = otherKey();
  const chosen = state.isOtherChosen ? "Compared" : "Previous";
  return [key && [key, "shown", `${chosen}: ${label(state.nodes.get(key))}`], [node.key, "shown", `Current: ${label(node)}`]];
}

const label = (node) => node.name || node.prompt;

async function draw() {
  const mine = ++drawn;
  const [left, right] = pair();
  at("stage").dataset.mode = left ? state.mode : "side";
  at("stage").dataset.smooth = state.settings.smooth ? "yes" : "no";
  const urls = await Promise.all([left, right].map((shown) => shown && imageOf(shown[0], shown[1]).catch(() => null)));
  if (mine !== drawn) return;
  put("other", left, urls[0]);
  const { run } = state;
  const coming = run?.name === "run" && !run.isLeft && run.image;
  put("current", right, coming || urls[1]);
  compare(left && urls[0], urls[1]);
  const other = left && state.nodes.get(left[0]), node = right && state.nodes.get(right[0]);
  words(other, node);
  if (!run || run.isLeft) strip(node?.kinds ?? [], node?.nfe ?? 0);
  changed("drawn");
}

function put(side, shown, url) {
  const node = shown && state.nodes.get(shown[0]);
  const image = at(`${side}-image`);
  image.hidden = !url;
  if (url && image.getAttribute("src") !== url) image.src = url;
  if (!url) image.removeAttribute("src");
  image.alt = node ? node.prompt : "";
  at(`${side}-empty`).hidden = Boolean(url);
  at(`${side}-title`).textContent = shown ? shown[2] : side === "other" ? (state.against === "scratch" ? "From scratch" : "Previous") : "Current";
  const badge = at(`${side}-badge`);
  const kind = !node ? "" : shown[1] === "cached" ? (node.measured >= 99 || !node.measured ? node.state : "good") : shown[1] === "exact" ? "exact" : node.state;
  badge.dataset.state = kind;
  badge.textContent = !node ? "" : badgeText(node, kind, shown[1]);
  at(`${side}-numbers`).textContent = node ? numbers(node, shown[1]) : "";
  at(`${side}-numbers`).title = node ? story(node) : "";
}

function badgeText(node, kind, which) {
  if (kind === "exact") return "exact";
  if (kind === "preview") return node.expected ? `preview, about ${node.expected[1].toFixed(0)} dB` : "preview";
  const near = which === "cached" && node.measured ? node.measured : node.expected?.[1];
  if (near === undefined) return "how near is not known yet";
  // Below this a picture keeps the broad shapes only, whatever it took.
  const word = near < ROUGH_DB ? "rough" : "good";
  return which === "cached" && node.measured ? `${word}, ${near.toFixed(1)} dB measured` : `${word}, ${near.toFixed(0)} dB expected`;
}

export function numbers(node, which = "shown") {
  if (which === "exact") return `all ${node.steps} steps computed`;
  if (which === "shown" && node.fetched) return `from the store, nothing computed · ${seconds(node.fetched)} · seed ${node.seed}`;
  const computed = `${node.nfe} of ${node.steps} steps computed`;
  const later = node.background && which === "shown" ? ` + ${node.background} when idle` : "";
  return computed + later + (node.waited ? ` · ${seconds(node.waited)}` : "") + ` · seed ${node.seed}`;
}

/** What the numbers leave out: how it was made that is now from the store, and the wait. */
function story(node) {
  const made = node.fetched ? [`${node.nfe} of ${node.steps} steps were computed when it was made`] : [];
  return [...made, ...(node.waited ? [`${seconds(node.waited)} were waited for it`] : [])].join("; ");
}

function words(other, node) {
  const holder = at("word-diff");
  if (!other || !node || other === node) { holder.textContent = ""; return; }
  const settings = settingsDiff(other, node).map(([name, a, b]) => `${name} ${a} → ${b}`).join(", ");
  if (other.prompt === node.prompt) holder.textContent = settings || "same prompt and settings";
  else drawChange(holder, other.prompt, node.prompt);
  if (other.prompt !== node.prompt && settings) holder.append(` · ${settings}`);
  holder.title = holder.textContent;
}

export function strip(kinds, nfe) {
  const holder = at("strip");
  while (holder.childElementCount < kinds.length) holder.append(document.createElement("i"));
  while (holder.childElementCount > kinds.length) holder.lastElementChild.remove();
  kinds.forEach((kind, k) => { if (holder.children[k].className !== (kind || "")) holder.children[k].className = kind || ""; });
  holder.setAttribute("aria-label", kinds.length ? `${plural(nfe, "step")} of ${kinds.length} computed` : "No picture yet");
}

function progress() {
  const { run } = state;
  if (!run) return;
  at("current-frame").style.setProperty("--done", run.steps ? run.k / run.steps : 0);
  if (run.name === "complete") {
    // The line below keeps what it says of the picture; how far its exact one is stands on the picture.
    const node = state.nodes.get(run.key);
    if (node && run.key === state.current && state.against === "previous" && node.state !== "exact") at("current-badge").textContent = `${badgeText(node, node.state, "shown")} · ${run.k}/${run.steps}`;
    return;
  }
  // Who has gone back to another picture meanwhile sees that one.
  if (run.name === "sheet" || run.isLeft) return;
  strip(Array.from({ length: run.steps }, (_, k) => run.kinds[k] || ""), run.nfe);
  if (run.image && state.mode === "side" && run.body.level !== "preview") {
    const image = at("current-image");
    if (image.getAttribute("src") !== run.image) image.src = run.image;
    image.hidden = false;
    at("current-empty").hidden = true;
    at("current-title").textContent = "Coming";
    at("current-badge").dataset.state = "preview";
    at("current-badge").textContent = `step ${run.k} of ${run.steps}`;
    at("current-numbers").textContent = `${plural(run.nfe, "step")} computed so far`;
  }
}

on("run", () => {
  at("current-frame").classList.toggle("busy", Boolean(state.run));
  at("stop").disabled = !state.run;
  at("main").setAttribute("aria-busy", String(Boolean(state.run && state.run.name !== "complete")));
});

/** In the ways that show both in one frame, the other picture lies under the current one. */
async function compare(leftUrl, rightUrl) {
  clearInterval(flicker);
  const frame = at("current-frame"), current = at("current-image"), canvas = at("difference");
  let under = frame.querySelector(".under");
  const mode = leftUrl && rightUrl ? state.mode : "side";
  current.style.clipPath = "";
  current.style.opacity = "";
  at("current-badge").style.outline = "";
  canvas.hidden = mode !== "difference";
  at("divider").hidden = mode !== "slider";
  if (mode === "side") { under?.remove(); return; }
  if (!under) { under = new Image(); under.className = "under"; under.alt = ""; frame.prepend(under); }
  if (under.getAttribute("src") !== leftUrl) under.src = leftUrl;
  if (mode === "slider") divide();
  if (mode === "flicker") {
    let isOther = false;
    const swap = () => { isOther = !isOther; current.style.opacity = isOther ? "0" : "1"; at("current-badge").style.outline = isOther ? "2px solid var(--coasted)" : ""; };
    flicker = setInterval(swap, matchMedia("(prefers-reduced-motion: reduce)").matches ? 3 * FLICKER_MS : FLICKER_MS);
  }
  if (mode === "difference") await difference(canvas, under, current);
}

function divide() {
  at("current-image").style.clipPath = `inset(0 0 0 ${at("divider").value}%)`;
}

/** |a - b|, made as bright as can be shown. */
async function difference(canvas, a, b) {
  await Promise.all([a.decode(), b.decode()]).catch(() => {});
  const width = b.naturalWidth, height = b.naturalHeight;
  if (!width || !a.naturalWidth) return;
  const pixels = [a, b].map((image) => {
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
  });
  const [first, second] = pixels.map((each) => each.data);
  let most = 8;
  for (let i = 0; i < first.length; i += 1) if (i % 4 < 3) most = Math.max(most, second[i] = Math.abs(first[i] - second[i]));
  for (let i = 0; i < first.length; i += 1) if (i % 4 < 3) second[i] *= 255 / most;
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(pixels[1], 0, 0);
}

function show() {
  const { style } = at("stage");
  style.setProperty("--zoom", view.zoom);
  style.setProperty("--x", `${view.x}px`);
  style.setProperty("--y", `${view.y}px`);
  at("zoom").textContent = view.zoom === 1 ? "Fit" : `${Math.round(100 * view.zoom * fitScale())} %`;
}

/** Screen pixels per picture pixel when it fits. */
function fitScale() {
  const image = at("current-image"), box = at("current-frame");
  if (!image.naturalWidth) return 1;
  return Math.min(box.clientWidth / image.naturalWidth, box.clientHeight / image.naturalHeight);
}

function toggleZoom() {
  const actual = 1 / fitScale() / devicePixelRatio;
  view = view.zoom === 1 && Math.abs(actual - 1) > 0.01 ? { zoom: actual, x: 0, y: 0 } : { zoom: 1, x: 0, y: 0 };
  show();
}

export function zoomBy(factor, x = 0, y = 0) {
  const zoom = Math.min(32, Math.max(0.1, view.zoom * factor)), grown = zoom / view.zoom;
  view = { zoom, x: x - (x - view.x) * grown, y: y - (y - view.y) * grown };
  if (Math.abs(zoom - 1) < 0.02) view = { zoom: 1, x: 0, y: 0 };
  show();
}

export function fit() { view = { zoom: 1, x: 0, y: 0 }; show(); }

/** Wheel with Ctrl or Shift zooms where the pointer is, dragging moves, a double click is 1:1. */
function handleZoom(frame) {
  frame.addEventListener("dblclick", toggleZoom);
  frame.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.shiftKey && view.zoom === 1) return;
    event.preventDefault();
    const box = frame.getBoundingClientRect();
    zoomBy(Math.exp(-(event.deltaY || event.deltaX) / 400), event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2);
  }, { passive: false });
  frame.addEventListener("pointerdown", (event) => {
    if (event.button || view.zoom === 1 || event.target.id === "divider") return;
    const from = { x: event.clientX - view.x, y: event.clientY - view.y };
    frame.setPointerCapture(event.pointerId);
    const move = (moved) => { view = { ...view, x: moved.clientX - from.x, y: moved.clientY - from.y }; show(); };
    frame.addEventListener("pointermove", move);
    // However it ends: let go, or taken by the browser for a gesture of its own.
    frame.addEventListener("lostpointercapture", () => frame.removeEventListener("pointermove", move), { once: true });
  });
}
