// The keyboard: everything a mouse can do, without leaving the prompt where that makes sense.

import { at, el, isComposing } from "./dom.js";
import { step } from "./film.js";
import { enter, stop } from "./loop.js";
import { fit, zoomBy } from "./stage.js";
import { changed, state } from "./store.js";

const MODES = ["side", "slider", "flicker", "difference"];
const HELP = [
  ["Enter", "in the prompt: make it good (Shift+Enter: a new line)"], ["Ctrl/⌘ + Enter", "make it good, from anywhere"], ["Esc", "stop; or back to the prompt"],
  ["↑ ↓ ← →", "through the history"], ["Alt + ↑ ↓", "through the history, from the prompt too; above the newest is what you were writing"], ["C", "the next way to compare"], ["S", "against the previous picture, or from scratch"],
  ["1 … 9", "the chips (Alt + 1 … 9 in the prompt)"], ["+ − 0", "zoom in, out, fit"], ["/", "to the prompt"], ["?", "this"],
];

export function setUp() {
  at("keys").append(el("h2", {}, "Keyboard"), el("table", {}, el("tbody", {}, HELP.map(([key, what]) => el("tr", {}, el("th", { scope: "row" }, key), el("td", {}, what))))),
    el("form", { method: "dialog" }, el("button", { class: "primary" }, "Close")));
  at("keys-button").addEventListener("click", () => at("keys").showModal());
  document.addEventListener("keydown", pressed);
}

function pressed(event) {
  if (isComposing(event)) return;
  const isTyping = event.target.matches("input:not([type=range]):not([type=checkbox]), textarea, select");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); enter(); return; }
  if (event.key === "Escape" && !at("keys").open) {
    if (state.run) { event.preventDefault(); stop(); } else at("prompt").focus();
    return;
  }
  // By the key's place: on a Mac Option and 1 are "¡".
  const digit = event.altKey && !event.ctrlKey && /^Digit([1-9])$/.exec(event.code)?.[1];
  if (digit) { event.preventDefault(); chip(digit); return; }
  // On a list of choices they open it.
  if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown") && !event.target.matches("select")) { event.preventDefault(); step(event.key === "ArrowUp" ? -1 : 1); return; }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || at("keys").open) return;
  const act = {
    ArrowUp: () => step(-1), ArrowLeft: () => step(-1), ArrowDown: () => step(1), ArrowRight: () => step(1),
    c: () => { state.mode = MODES[(MODES.indexOf(state.mode) + 1) % MODES.length]; changed("stage"); },
    s: () => document.querySelector(`#against [data-value="${state.against === "scratch" ? "previous" : "scratch"}"]`).click(),
    "+": () => zoomBy(1.25), "=": () => zoomBy(1.25), "-": () => zoomBy(0.8), 0: fit, "/": () => at("prompt").focus(), "?": () => at("keys").showModal(),
  }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  // The other tabs scroll by the arrows.
  if (at("view-studio").hidden && event.key !== "/" && event.key !== "?") return;
  if (/^[1-9]$/.test(event.key)) { event.preventDefault(); chip(event.key); }
  else if (act && !event.target.matches("[role=radio], [role=menuitem], [role=tab], input[type=range]")) { event.preventDefault(); act(); }
}

function chip(digit) { at("chips").children[Number(digit) - 1]?.click(); }

