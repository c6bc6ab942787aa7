// What the model does not take in: underlined in the prompt, with the reason.

import { at } from "./dom.js";
import { events } from "./net.js";
import { on, state } from "./store.js";

const PAUSE_MS = 700;
const BRIEF = { unknown: "Not known to this model", ignored: "Draws nothing", small: "Changes nothing", strange: "Not understood", past: "Too late to be read" };
let timer = 0;
let controller = null;
// Of the prompt that was examined last, and those of them that the prompt still has.
let all = [];
let spans = [];
let checked = "";

export function setUp() {
  on("typed", () => {
    spans = state.settings.prompt === checked ? all : all.filter(({ word }) => placeOf(state.settings.prompt, word) >= 0);
    draw();
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE_MS);
  });
  at("prompt").addEventListener("scroll", () => { at("marks").scrollTop = at("prompt").scrollTop; });
  on("run", () => { if (!state.run && state.settings.prompt !== checked) { clearTimeout(timer); timer = setTimeout(ask, PAUSE_MS); } });
}

async function ask() {
  const { prompt } = state.settings;
  if (state.run && state.run.name !== "complete") return;
  if (!prompt.trim() || prompt === checked) return;
  controller?.abort();
  controller = new AbortController();
  try {
    for await (const event of events("words", { prompt }, controller.signal)) {
      if (event.type !== "words" || event.prompt !== state.settings.prompt) continue;
      checked = prompt;
      // Offsets count characters there and halves of pairs here.
      const letters = [...prompt];
      const place = (index) => letters.slice(0, index).join("").length;
      spans = all = event.spans.map((span) => ({ start: place(span.start), end: place(span.end), reason: span.reason, kind: span.kind, near: span.near, word: letters.slice(span.start, span.end).join("") }));
      draw();
    }
  } catch { /* only a hint */ }
}

/** Where the word next stands by itself, not within a longer one that is being written; -1 where it does not. */
function placeOf(prompt, word, from = 0) {
  const isLetter = (index) => /[\p{L}\p{N}]/u.test(prompt[index] ?? "");
  let place = prompt.indexOf(word, from);
  while (place >= 0 && (isLetter(place - 1) || isLetter(place + word.length))) place = prompt.indexOf(word, place + 1);
  return place;
}

function draw() {
  const { prompt } = state.settings;
  const marks = [];
  let from = 0;
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    const there = placeOf(prompt, span.word, span.start);
    const start = there === span.start ? there : placeOf(prompt, span.word);
    if (start < from) continue;
    marks.push(prompt.slice(from, start), Object.assign(document.createElement("u"), { textContent: span.word }));
    from = start + span.word.length;
  }
  at("marks").replaceChildren(...marks, prompt.slice(from));
  const told = spans.map(({ word, reason }) => `“${word}”: ${reason}`).join(" ");
  at("not-understood").textContent = told;
  at("prompt").title = told;
  const line = at("outlook");
  if (told) {
    line.dataset.words = "yes";
    line.textContent = [...new Set(spans.map(({ kind }) => kind))].map((kind) => `${BRIEF[kind]}: ${[...new Set(spans.filter((span) => span.kind === kind).map(({ word, near }) => brief(word) + (near ? ` (${near}?)` : "")))].join(", ")}`).join(" · ");
    line.title = told;
    line.classList.add("warned");
  } else if (line.dataset.words) {
    line.textContent = "";
    line.classList.remove("warned");
    delete line.dataset.words;
  }
}

const brief = (words) => (words.length > 24 ? `${words.slice(0, 20).trimEnd()} …` : words);
