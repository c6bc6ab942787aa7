// What the page knows: settings, pictures, what is on the stage. Parts listen to the names they show.

import { blobOf } from "./dom.js";
import { download } from "./net.js";

const SETTINGS = "trajflow-settings", PROMPT = "trajflow-prompt", NEGATIVE = "trajflow-negative";
const listeners = new Map();
const MOST_IMAGES = 80;

export const state = {
  model: null,
  strategies: [],
  examples: { seed: 7, starters: [], chips: [] },
  vocabulary: null,
  tiers: {},
  nodes: new Map(),
  order: [],
  held: 0,
  capacity: 0,
  away: 0,
  deleted: 0,
  current: null,
  other: null,
  isOtherChosen: false,
  // The prompt that was being written when an earlier picture was gone back to.
  unsent: null,
  against: "previous",
  mode: "side",
  run: null,
  settings: {},
};

export function on(names, action) {
  for (const name of names.split(" ")) listeners.set(name, [...(listeners.get(name) || []), action]);
}

let pending = new Set();
/** Tell the listeners of a name, once a frame however often it changed. */
export function changed(...names) {
  if (!pending.size) queueMicrotask(() => {
    const told = new Set([...pending].flatMap((name) => listeners.get(name) || []));
    pending = new Set();
    for (const action of told) action();
  });
  for (const name of names) pending.add(name);
}

export function loadSettings() {
  const { model, examples } = state;
  state.settings = {
    prompt: "", negative_prompt: "", seed: examples.seed, steps: model.steps, guidance: model.guidance,
    width: model.width, height: model.height, strategy: "auto", quality: "balanced", amount: 40, evaluations: 7,
    live: true, idle: !model.is_shared, ahead: model.may_work_ahead, smooth: true, theme: null, isOpen: innerWidth > 1240, pinned: [], excluded: [], ownTiers: null,
  };
  let kept = {};
  try { kept = JSON.parse(localStorage.getItem(SETTINGS)) || {}; } catch { kept = {}; }
  if (kept.model === model.name) Object.assign(state.settings, kept.settings);
  // What is set holds for every tab; what is being written belongs to one, as its pictures do.
  Object.assign(state.settings, { prompt: sessionStorage.getItem(PROMPT) || "", negative_prompt: sessionStorage.getItem(NEGATIVE) || "" });
  Object.assign(state.settings, { pinned: [], excluded: [], isOpen: innerWidth > 1240 });
}

export function set(changes) {
  Object.assign(state.settings, changes);
  const { pinned, excluded, prompt, negative_prompt, ...settings } = state.settings;
  sessionStorage.setItem(PROMPT, prompt);
  sessionStorage.setItem(NEGATIVE, negative_prompt);
  try { localStorage.setItem(SETTINGS, JSON.stringify({ model: state.model.name, settings })); } catch { /* private window */ }
  changed("settings");
}

/** The pictures as the server told them; those that came after it was asked stay, unless they are among `gone`. */
export function takeLibrary(library, asked = Infinity, gone = []) {
  const told = new Set(library.nodes.map((node) => node.key));
  const later = state.order.filter((key) => !told.has(key) && !gone.includes(key) && state.nodes.get(key).seen > asked);
  state.nodes = new Map([...later.map((key) => [key, state.nodes.get(key)]), ...library.nodes.map((node) => [node.key, node])]);
  state.order = [...state.nodes.keys()];
  for (const name of ["held", "capacity", "away", "deleted", "is_kept"]) state[name] = library[name] ?? state[name];
  if (!state.nodes.has(state.current)) state.current = state.order[0] ?? null;
  if (!state.nodes.has(state.other)) Object.assign(state, { other: null, isOtherChosen: false });
  changed("nodes", "stage");
}

export function putNode(node) {
  node.seen = performance.now();
  if (!state.nodes.has(node.key)) state.order.unshift(node.key);
  state.nodes.set(node.key, node);
  changed("nodes", "stage");
}

export function dropNodes(keys) {
  for (const key of keys) {
    const gone = state.nodes.get(key);
    for (const node of state.nodes.values()) if (node.parent === key) node.parent = gone ? gone.parent : null;
    state.nodes.delete(key);
    if (state.current === key) state.current = gone?.parent ?? null;
    if (state.other === key) Object.assign(state, { other: null, isOtherChosen: false });
  }
  state.order = state.order.filter((key) => state.nodes.has(key));
  if (!state.nodes.has(state.current)) state.current = state.order[0] ?? null;
  changed("nodes", "stage");
}

/** The picture beside the current one: the chosen one, else the one it came from, else the newest other. */
export function otherKey() {
  if (state.isOtherChosen && state.other !== state.current && state.nodes.has(state.other)) return state.other;
  const node = state.nodes.get(state.current);
  if (!node) return null;
  if (node.parent && state.nodes.has(node.parent)) return node.parent;
  const before = state.order.slice(state.order.indexOf(node.key) + 1).find((key) => !state.nodes.get(key).draft);
  return before || null;
}

const images = new Map();
/** Keep a picture that has come with an event. */
export function putImage(key, which, dataUri) {
  const name = `${key}/${which}`;
  if (images.has(name)) URL.revokeObjectURL(images.get(name));
  images.delete(name);
  images.set(name, URL.createObjectURL(blobOf(dataUri)));
  while (images.size > MOST_IMAGES) {
    const [oldest, url] = images.entries().next().value;
    URL.revokeObjectURL(url);
    images.delete(oldest);
  }
}

export function dropImages(key) {
  for (const which of ["shown", "cached", "exact"]) {
    const name = `${key}/${which}`;
    if (images.has(name)) URL.revokeObjectURL(images.get(name));
    images.delete(name);
  }
}

/** The address of a picture, fetched when it is not at hand. */
export async function imageOf(key, which = "shown") {
  const name = `${key}/${which}`;
  if (!images.has(name)) {
    const blob = await download(`picture/${key}/${which}`);
    // It may have come by another way meanwhile.
    if (!images.has(name)) images.set(name, URL.createObjectURL(blob));
  }
  return images.get(name);
}
