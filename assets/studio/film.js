// The history: every picture, under the one it came from.

import { at, el, isComposing, megabytes, menu, save, toast } from "./dom.js";
import { wordDiff } from "./diff.js";
import { cancelWaiting, fill, onwards, say, stay, typed } from "./loop.js";
import { download, post } from "./net.js";
import { changed, on, otherKey, putNode, set, state, takeLibrary } from "./store.js";

export function setUp() {
  on("nodes stage", draw);
  at("undo").addEventListener("click", undo);
  at("cards").addEventListener("keydown", arrows);
}

/** Children under their parents, the newest line first; how deep each lies. */
export function ordered() {
  const children = new Map();
  for (const key of state.order) {
    const { parent } = state.nodes.get(key);
    const under = parent && state.nodes.has(parent) ? parent : null;
    children.set(under, [...(children.get(under) || []), key]);
  }
  const newest = new Map();
  const age = (key) => {
    if (!newest.has(key)) newest.set(key, Math.min(state.order.indexOf(key), ...(children.get(key) || []).map(age)));
    return newest.get(key);
  };
  const rows = [];
  const visit = (key, depth) => {
    const own = [...(children.get(key) || [])].sort((a, b) => age(a) - age(b));
    // A line without branches stays flat: only a second child steps in.
    own.forEach((child, index) => { visit(child, depth + (index ? 1 : 0)); rows.push([child, depth + (index ? 1 : 0)]); });
  };
  const roots = [...(children.get(null) || [])].sort((a, b) => age(a) - age(b));
  for (const root of roots) { visit(root, 0); rows.push([root, 0]); }
  const pinned = rows.filter(([key]) => state.nodes.get(key).pinned), rest = rows.filter(([key]) => !state.nodes.get(key).pinned);
  return [...pinned.map(([key]) => [key, 0]), ...rest];
}

const cardOf = (key) => at("cards").querySelector(`[data-key="${key}"]`);

let shown = "";
let followed = null;
function draw() {
  const rows = ordered();
  const signature = JSON.stringify([rows, state.current, otherKey(), [...state.nodes.values()].map((n) => [n.key, n.name, n.favourite, n.pinned, n.state, n.waited])]);
  at("memory").textContent = state.order.length ? `${state.order.length} · ${megabytes(state.held)} of ${megabytes(state.capacity)}` : "";
  if (state.keptDays !== null) {
    if (state.away) at("memory").textContent += ` · ${state.away} more kept`;
    if (!state.is_kept) at("memory").textContent += " · not kept";
    at("memory").title = state.is_kept ? `Kept on the server for ${state.keptDays} days after your last visit, over restarts too; what you delete is gone from there${state.away ? ". There is no room for the oldest here now; they come back when there is" : ""}` : "The server cannot keep your pictures just now; save the session as a file";
  }
  at("undo").disabled = !state.deleted;
  // A name that is being typed is not drawn over; what has changed is drawn once it is there.
  if (signature === shown || at("cards").querySelector("input")) return;
  shown = signature;
  const focused = document.activeElement?.closest?.(".card");
  const place = [...at("cards").children].indexOf(focused);
  const focusedAction = document.activeElement?.dataset?.action;
  at("cards").replaceChildren(...(rows.length ? rows.map(([key, depth]) => card(state.nodes.get(key), depth)) : [el("li", { class: "none" }, "Pictures you make stay here, with the one they came from.")]));
  if (focused) {
    // Of one that is gone the focus goes to the card in its place.
    const next = cardOf(focused.dataset.key) ?? at("cards").children[place] ?? at("cards").lastElementChild;
    (next.querySelector(focusedAction ? `[data-action="${focusedAction}"]` : ".open") ?? at("undo")).focus();
  }
  // Only to a picture that has just become the current one: whoever looks further down is not pulled away.
  if (state.current !== followed) at("cards").querySelector('[aria-current="true"]')?.scrollIntoView({ block: "nearest", inline: "nearest" });
  followed = state.current;
}

function card(node, depth) {
  const isCurrent = node.key === state.current;
  const mark = (action, label, sign, pressed, act) => el("button", {
    type: "button", class: "mark", "data-action": action, "aria-label": `${label}: ${node.name || node.prompt}`, title: label,
    "aria-pressed": pressed === null ? null : String(pressed), onclick: act,
  }, sign);
  return el("li", { class: `card${depth ? " depth" : ""}${node.key === otherKey() ? " compared" : ""}`, "data-key": node.key, style: `--depth:${depth}`, "aria-current": isCurrent ? "true" : null },
    el("button", { type: "button", class: "open", onclick: (event) => open(event, node.key), "aria-label": `Show: ${node.name || node.prompt}, ${node.state}`, title: `${node.prompt}\nShift+click: compare with the current picture` },
      el("img", { src: node.thumb, alt: "", width: 56, height: 56 })),
    el("div", { class: "about" },
      el("b", { title: node.prompt }, node.name || brief(node)), el("small", {}, facts(node)),
      el("div", { class: "marks-row" },
        mark("favourite", "Favourite", node.favourite ? "★" : "☆", node.favourite, () => change(node, { is_favourite: !node.favourite })),
        mark("pin", "Pin", node.pinned ? "◆" : "◇", node.pinned, () => change(node, { is_pinned: !node.pinned })),
        mark("compare", "Compare with the current picture", "⇄", null, () => compareWith(node.key)),
        mark("more", "More", "⋯", null, (event) => more(event.currentTarget, node)))));
}

function open(event, key) {
  // After a click the arrows show the pictures before and after it; by the keyboard they move the focus.
  if (event.detail) event.currentTarget.blur();
  if (event.shiftKey) compareWith(key); else restore(key);
}

/** Of a tweak only what is new, so that a narrow card tells it. */
function brief(node) {
  const parent = state.nodes.get(node.parent);
  if (!parent || parent.prompt === node.prompt) return node.prompt;
  const fresh = wordDiff(parent.prompt, node.prompt).filter(([kind]) => kind === "ins").map(([, word]) => word);
  return fresh.length && fresh.length < 6 ? `… ${fresh.join(" ")}` : node.prompt;
}

/** How it stands, and what is not as in the picture it came from. */
function facts(node) {
  const before = state.nodes.get(node.parent) || { seed: node.seed, guidance: state.model.guidance, steps: state.model.steps, width: state.model.width, height: state.model.height, strategy: "auto", negative_prompt: "" };
  const odd = [];
  if (node.seed !== before.seed) odd.push(`seed ${node.seed}`);
  if (node.strategy !== before.strategy) odd.push(node.strategy);
  if (node.guidance !== before.guidance) odd.push(`guidance ${node.guidance}`);
  if (node.steps !== before.steps) odd.push(`${node.steps} steps`);
  if (node.width !== before.width || node.height !== before.height) odd.push(`${node.width}×${node.height}`);
  if (node.negative_prompt !== before.negative_prompt) odd.push(node.negative_prompt ? `no ${node.negative_prompt}` : "nothing excluded");
  const how = node.state === "exact" ? "exact" : node.state === "preview" ? "preview" : node.expected ? `${node.expected[1].toFixed(0)} dB` : "good";
  return [`${how}, ${node.nfe}/${node.steps}`, ...odd].join(" · ");
}

const GONE = "That picture is no longer kept.";

/** Go back to a picture and its settings; whether it is there. */
export function restore(key) {
  const node = state.nodes.get(key);
  if (!node) { toast(GONE); return false; }
  cancelWaiting();
  stay();
  const written = state.settings.prompt;
  const isMade = [...state.nodes.values()].some((each) => !each.draft && each.prompt.trim() === written.trim());
  if (written.trim() && !isMade) state.unsent = written;
  Object.assign(state, { current: key, isOtherChosen: false, other: null });
  fill(onwards(node));
  say("done", `Back at “${node.name || node.prompt}”, with its settings.${state.unsent ? " What you had written comes back with Alt+↑ above the newest picture." : ""}`);
  changed("stage", "nodes");
  return true;
}

/** The prompt that was being written when the history was entered, as a shell keeps it. */
function writeOn() {
  set({ prompt: state.unsent });
  state.unsent = null;
  changed("prompt");
  say("done", "What you had written.");
  typed();
}

export function compareWith(key) {
  if (!state.nodes.has(key)) { toast(GONE); return; }
  if (key === state.current) { toast("That is the current picture; choose another to compare it with."); return; }
  Object.assign(state, { other: key, isOtherChosen: true, against: "previous" });
  changed("stage");
}

/** Whether the server has taken it. */
async function change(node, changes) {
  try {
    putNode({ ...node, ...(await post("node", { key: node.key, ...changes })), waited: node.waited });
    return true;
  } catch (error) { toast(error.message); return false; }
}

function more(button, node) {
  menu(button, [
    ["Rename…", () => rename(node)],
    ["Download PNG", () => savePicture(node)],
    // A preview that the next picture takes the place of could not be started from again.
    ["Start from this one only", async () => { if (node.draft && !(await change(node, {}))) return; set({ pinned: [node.key] }); restore(node.key); toast("The next pictures start from this one; How it was made has the way back."); }],
    ["Never start from this one", () => { set({ excluded: [...state.settings.excluded, node.key] }); toast("This one will not be used as a source."); }],
    ["Delete", () => remove(node.key)],
  ]);
}

function rename(node) {
  const title = cardOf(node.key).querySelector("b");
  const input = el("input", { type: "text", value: node.name, maxlength: 80, "aria-label": "Name", style: "width:100%" });
  input.value = node.name;
  // The field stays, with what was typed, where the server has not taken it.
  const finish = async () => {
    if (state.nodes.has(node.key) && input.value !== node.name && !(await change(node, { name: input.value }))) return;
    input.remove();
    shown = "";
    draw();
    // Unless it has been left for something else.
    if (document.activeElement === document.body) cardOf(node.key)?.querySelector("[data-action=more]").focus();
  };
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (isComposing(event)) return;
    if (event.key === "Escape") input.value = node.name;
    if (event.key === "Enter" || event.key === "Escape") input.blur();
  });
  input.addEventListener("blur", finish);
  title.replaceChildren(input);
  input.focus();
}

export async function remove(key) {
  try {
    const asked = performance.now();
    takeLibrary(await post("delete", { key }), asked, [key]);
    say("done", "Deleted. Undo brings it back.");
  } catch (error) { toast(error.message); }
}

async function undo() {
  const asked = performance.now();
  try { takeLibrary(await post("undelete"), asked); say("done", "Brought back."); } catch (error) { toast(error.message); }
}

export const fileName = (node, mark = "") => `trajflow-${(node.prompt.toLowerCase().match(/[a-z0-9]+/g) || ["picture"]).slice(0, 8).join("-")}-seed${node.seed}${mark}.png`;

export async function savePicture(node, which = "shown") {
  try { save(await download(`picture/${node.key}/${which}`), fileName(node, which === "shown" ? "" : `-${which}`)); } catch (error) { toast(error.message); }
}

/** Up and down through the cards, also from anywhere by `step`. */
function arrows(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || event.altKey || event.target.tagName === "INPUT") return;
  event.preventDefault();
  event.stopPropagation();
  const cards = [...at("cards").querySelectorAll(".open")];
  cards[Math.max(0, Math.min(cards.length - 1, cards.indexOf(event.target.closest(".card")?.querySelector(".open")) + step))]?.focus();
}

export function step(by) {
  const keys = ordered().map(([key]) => key);
  const index = keys.indexOf(state.current);
  if (index + by < 0 && state.unsent) { writeOn(); return; }
  const next = keys[index < 0 ? 0 : index + by];
  if (next) restore(next);
}

