// The sidebar: everything that can be set, in plain words first.

import { at, el } from "./dom.js";
import { typed } from "./loop.js";
import { changed, on, set, state } from "./store.js";

export function setUp() {
  const { model, settings, strategies } = state;
  const field = (label, control, note = null) => el("label", { class: "field" }, el("span", {}, label, note), control);
  const number = (name, attributes) => {
    const input = el("input", { type: "number", id: `set-${name}`, ...attributes });
    input.addEventListener("input", () => take(name, input.value === "" ? (name === "seed" ? "" : null) : Number(input.value)));
    return input;
  };
  const range = (name, attributes) => {
    const output = el("output", { id: `told-${name}` });
    const input = el("input", { type: "range", id: `set-${name}`, ...attributes });
    input.addEventListener("input", () => take(name, Number(input.value)));
    return [input, output];
  };
  const negative = el("textarea", { id: "set-negative_prompt", rows: "2", maxlength: "2000" });
  negative.addEventListener("input", () => take("negative_prompt", negative.value));
  const method = el("select", { id: "set-strategy" }, strategies.map(({ name, line }) => el("option", { value: name }, line)));
  method.addEventListener("change", () => take("strategy", method.value));
  const [steps, stepsTold] = range("steps", { min: "1", max: "100", step: "1" });
  const [guidance, guidanceTold] = range("guidance", { min: "0", max: "15", step: "0.1" });
  at("settings").replaceChildren(
    el("h2", {}, "Settings"), el("p", { class: "note" }, model.is_lent ? "They hold for the next picture." : "Every change previews, as typing does."),
    field("Seed (empty or -1: a new one each time)", el("div", { class: "row", style: "flex-wrap:nowrap" }, number("seed", { min: "-1", step: "1" }),
      el("button", { type: "button", class: "quiet", "aria-label": "Draw a seed", title: "Draw a seed", onclick: () => take("seed", Math.floor(Math.random() * 2 ** 31)) }, "⚄"))),
    field("Steps of the full run ", steps, stepsTold), field("Guidance ", guidance, guidanceTold),
    el("div", { class: "pair" },
      field("Width", number("width", { min: String(model.size_multiple), max: String(model.largest_side), step: String(model.size_multiple) })),
      field("Height", number("height", { min: String(model.size_multiple), max: String(model.largest_side), step: String(model.size_multiple) }))),
    el("p", { class: "note warned", id: "size-note", role: "status" }),
    field("Leave out (negative prompt)", negative),
    field("Method", method),
    el("p", { class: "note" }, "auto suits most; the Method lab compares them all."),
    el("div", { class: "row" },
      el("button", { type: "button", class: "quiet", onclick: reset }, "All as the model likes it")));
  on("settings", () => show());
  on("prompt", () => show(true));
  at("settings-button").addEventListener("click", () => set({ isOpen: !state.settings.isOpen }));
  show();
}

function reset() {
  const { model } = state;
  set({ negative_prompt: "", steps: model.steps, guidance: model.guidance, width: model.width, height: model.height, strategy: "auto", pinned: [], excluded: [] });
  typed();
}

function take(name, value) {
  set({ [name]: value });
  typed();
}

/** What is being typed stays as it is, unless all was filled in by another hand. */
function show(isFilled = false) {
  const { settings, model } = state;
  for (const name of ["seed", "steps", "guidance", "width", "height", "negative_prompt", "strategy"]) {
    const control = at(`set-${name}`);
    const value = settings[name] === null || settings[name] === undefined ? "" : String(settings[name]);
    if (isFilled || control !== document.activeElement || control.type === "range") if (control.value !== value) control.value = value;
    const told = at(`told-${name}`);
    if (told) told.textContent = value;
  }
  const isUsual = settings.width === model.width && settings.height === model.height;
  at("size-note").textContent = isUsual ? "" : `This model was trained at ${model.width}×${model.height}; other sizes may repeat or fall apart.`;
  document.body.classList.toggle("settings-open", settings.isOpen);
  at("settings-button").setAttribute("aria-expanded", String(settings.isOpen));
}
