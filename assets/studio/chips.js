// Words to try: prompts to begin with while there is none, then phrases to change it with, then all that the model knows.

import { at, el, popover } from "./dom.js";
import { typed } from "./loop.js";
import { changed, on, set, state } from "./store.js";

const OPENERS = new Set("a an at by covered during in on under while with".split(" "));
const ARTICLES = new Set(["a", "an"]);

export function setUp() {
  let shown = null;
  const show = () => {
    const isEmpty = !state.settings.prompt.trim();
    if (isEmpty === shown) return;
    shown = isEmpty;
    const { starters, chips } = state.examples;
    at("chips").replaceChildren(...(isEmpty ? starters.map((prompt, index) => chip(prompt, "Begin with this", index, () => prompt))
      : chips.map((phrase, index) => chip(phrase, `Add or change to “${phrase}”`, index, () => withPhrase(state.settings.prompt, phrase)))));
  };
  on("typed", show);
  show();
  at("vocabulary").hidden = !state.vocabulary;
  at("vocabulary").addEventListener("click", () => popover(at("vocabulary"), "Words this model knows", groups()));
}

function chip(label, title, index, prompt) {
  return el("button", { type: "button", title, onclick: () => { take(prompt()); at("prompt").focus(); } }, index < 9 ? el("kbd", {}, String(index + 1)) : null, label);
}

function take(prompt) {
  set({ prompt });
  changed("prompt");
  typed();
}

/** Every value the model can draw, by attribute; what the prompt names is pressed. */
function groups() {
  const buttons = [];
  const show = () => { for (const [button, attribute, value] of buttons) button.setAttribute("aria-pressed", String(named(state.settings.prompt, attribute)?.value === value)); };
  const rows = Object.entries(state.vocabulary).map(([attribute, values]) => el("div", { class: "known", role: "group", "aria-label": attribute }, el("b", {}, attribute),
    el("span", {}, Object.entries(values).map(([value, phrases]) => {
      const button = el("button", { type: "button", class: "quiet", title: phrases.slice(0, 12).join(", "), onclick: () => { take(withValue(state.settings.prompt, attribute, value)); show(); } }, value);
      buttons.push([button, attribute, value]);
      return button;
    }))));
  show();
  return [el("p", { class: "note" }, "A word stands for others as well: hold the pointer over it to see which."), ...rows];
}

/** Finds a phrase that stands by itself, not within longer words. */
export const alone = (phrase) => new RegExp(`(?<![\\p{L}\\p{N}])${phrase.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?![\\p{L}\\p{N}])`, "iu");

/** The longest phrase in the prompt that names a value of an attribute, and where. */
export function named(prompt, attribute) {
  let best = null;
  for (const [value, phrases] of Object.entries(state.vocabulary?.[attribute] || {})) for (const phrase of phrases) {
    if (best && phrase.length <= best.phrase.length) continue;
    const found = alone(phrase).exec(prompt);
    if (found) best = { value, phrase, start: found.index, end: found.index + phrase.length };
  }
  return best;
}

/** The word that joins a phrase to what is before it, if it begins with one. */
const opener = (phrase) => (phrase.includes(" ") && OPENERS.has(phrase.split(" ")[0]) ? phrase.split(" ")[0] : "");

/** The prompt with a value in the place of another of its attribute, else at its end; without it where it stood. */
export function withValue(prompt, attribute, value) {
  const before = named(prompt, attribute), phrases = state.vocabulary[attribute][value];
  if (before?.value === value) return tidy(prompt.slice(0, before.start) + prompt.slice(before.end));
  if (before) {
    const wanted = opener(before.phrase);
    const phrase = phrases.find((each) => opener(each) === wanted) || phrases.find((each) => Boolean(opener(each)) === Boolean(wanted)) || phrases[0];
    return tidy(prompt.slice(0, before.start) + phrase + prompt.slice(before.end));
  }
  if (!prompt.trim()) return phrases[0];
  const phrase = phrases.find(opener);
  if (!phrase) return `${prompt.trim()}, ${phrases[0]}`;
  return `${prompt.trim()} ${ARTICLES.has(opener(phrase)) ? `with ${phrase}` : phrase}`;
}

/** The prompt with a phrase: in the place of what says the same of the scene otherwise, else at its end. */
export function withPhrase(prompt, phrase) {
  if (alone(phrase).test(prompt)) return tidy(prompt.replace(alone(phrase), ""));
  const attribute = Object.keys(state.vocabulary || {}).find((each) => named(phrase, each));
  const before = attribute && named(prompt, attribute);
  if (before) {
    const start = phrase.startsWith("with ") && prompt.slice(0, before.start).endsWith("with ") ? before.start - 5 : before.start;
    // An adjective gives way to one: "a foggy forest" becomes "a snowy forest".
    if (start === before.start && !opener(before.phrase)) return withValue(prompt, attribute, named(phrase, attribute).value);
    return tidy(prompt.slice(0, start) + phrase + prompt.slice(before.end));
  }
  const other = state.examples.chips.find((each) => each.split(" ")[0] === phrase.split(" ")[0] && alone(each).test(prompt));
  return other ? prompt.replace(alone(other), phrase) : `${prompt.trim()} ${phrase}`;
}

const tidy = (prompt) => prompt.replace(/\b(with|and)\s*(?=$|,)/g, "").replace(/\s+/g, " ").replace(/\s+,/g, ",").replace(/(^[\s,]+|[\s,]+$)/g, "");
