// The studio: where the parts meet.

import { at, el, isComposing, segments, toast } from "./dom.js";
import * as chips from "./chips.js";
import * as explore from "./explore.js";
import * as files from "./files.js";
import * as film from "./film.js";
import * as keys from "./keys.js";
import * as lab from "./lab.js";
import { enter, say, stop, typed } from "./loop.js";
import { hello, whenRenewed } from "./net.js";
import * as programs from "./programs.js";
import * as settingsBar from "./settings.js";
import * as stage from "./stage.js";
import * as why from "./why.js";
import * as words from "./words.js";
import { changed, loadSettings, on, set, state, takeLibrary } from "./store.js";

const QUALITIES = [
  ["draft", "Draft", "About 30 dB: the fewest steps that look right"], ["balanced", "Balanced", "40 dB: hard to tell from the exact picture"],
  ["exact", "Exact", "Every step computed"], ["db", "dB", "At least so many dB to the exact picture"], ["evaluations", "Steps", "At most so many computed steps"],
];

function greet(greeting) {
  const { model, strategies, examples, vocabulary, tiers, kept_days: keptDays } = greeting;
  Object.assign(state, { model, strategies, examples, vocabulary, tiers, keptDays });
  takeLibrary(greeting);
}

function showTheme() {
  const dark = state.settings.theme ? state.settings.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

function setUpAsk() {
  const prompt = at("prompt");
  prompt.addEventListener("input", () => { set({ prompt: prompt.value }); changed("typed"); typed(); });
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.metaKey && !isComposing(event)) { event.preventDefault(); enter(); }
  });
  at("ask").addEventListener("submit", (event) => { event.preventDefault(); enter(); });
  at("stop").addEventListener("click", () => { stop(); prompt.focus(); });
  const fillPrompt = () => { if (prompt.value !== state.settings.prompt) prompt.value = state.settings.prompt; changed("typed"); };
  on("prompt", fillPrompt);
  // What was typed before the server had answered.
  if (prompt.value.trim()) { set({ prompt: prompt.value }); typed(); }
  fillPrompt();
  for (const [id, name] of [["live", "live"], ["idle", "idle"], ["ahead", "ahead"]]) {
    at(id).addEventListener("change", () => { set({ [name]: at(id).checked }); if (!at(id).checked && (name === "idle" || (name === "ahead" && state.run?.ahead)) && state.run?.name === "complete") stop(); });
    at(`${id}`).checked = state.settings[name];
  }
  const { is_lent: isLent, is_shared: isShared } = state.model;
  at("live-label").hidden = isLent;
  at("idle-label").hidden = isShared;
  if (isShared) at("current-empty").textContent = isLent ? "Type. Enter makes it good." : "Type. A preview comes at each pause, and Enter makes it good.";
  at("ahead-label").hidden = !state.model.may_work_ahead;
}

function setUpQuality() {
  const show = segments(at("quality"), QUALITIES, (quality) => { set({ quality }); if (state.settings.prompt.trim()) typed(); });
  const amount = el("input", { type: "number", id: "amount", hidden: true });
  amount.addEventListener("input", () => { set(state.settings.quality === "db" ? { amount: Number(amount.value) } : { evaluations: Number(amount.value) }); typed(); });
  at("quality").append(amount);
  const showAll = (isFilled) => {
    const { quality, steps } = state.settings;
    show(quality);
    amount.hidden = quality !== "db" && quality !== "evaluations";
    Object.assign(amount, quality === "db" ? { min: 20, max: 55 } : { min: 1, max: steps });
    amount.setAttribute("aria-label", quality === "db" ? "At least, in dB" : "At most, in computed steps");
    const value = String(quality === "db" ? state.settings.amount : Math.min(state.settings.evaluations, steps));
    if (isFilled || amount !== document.activeElement) amount.value = value;
  };
  on("settings", () => showAll(false));
  on("prompt", () => showAll(true));
  showAll(false);
}

function setUpTabs() {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const choose = (tab) => {
    for (const each of tabs) {
      each.setAttribute("aria-selected", String(each === tab));
      each.tabIndex = each === tab ? 0 : -1;
      at(each.getAttribute("aria-controls")).hidden = each !== tab;
    }
    changed("tab");
  };
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      const next = tabs[(index + step + tabs.length) % tabs.length];
      choose(next);
      next.focus();
    });
  });
}

async function begin() {
  let greeting;
  try {
    greeting = await hello();
    greet(greeting);
    say("done", "Ready.");
  } catch (error) {
    say("error", error.message);
    setTimeout(begin, 2000);
    return;
  }
  loadSettings();
  showTheme();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { showTheme(); changed("settings"); });
  at("model").textContent = state.model.name;
  at("theme").addEventListener("click", () => { set({ theme: document.documentElement.dataset.theme === "dark" ? "light" : "dark" }); showTheme(); });
  settingsBar.setUp();
  setUpAsk();
  setUpQuality();
  chips.setUp();
  setUpTabs();
  stage.setUp();
  film.setUp();
  for (const part of [keys, why, words, explore, lab, programs, files]) part.setUp();
  whenRenewed((greeting) => { greet(greeting); if (greeting.is_new) toast("Your earlier pictures were released to make room; a new session begins."); });
  const last = sessionStorage.getItem("trajflow-current");
  state.current = state.nodes.has(last) ? last : state.order[0] ?? null;
  on("stage", () => sessionStorage.setItem("trajflow-current", state.current ?? ""));
  changed("settings", "nodes", "stage", "run");
  if (state.order.length) say("done", "As you left it.");
  else if (greeting.was && greeting.is_new) say("warn", "The server no longer holds your earlier pictures; a new session begins.");
  if (!state.order.length) typed();
  document.documentElement.dataset.ready = "yes";
}

begin();
