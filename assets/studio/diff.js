// Which words and settings two pictures differ in.

import { el } from "./dom.js";

/** Longest common subsequence over words: [kind, word] with kind "same", "del" or "ins". */
export function wordDiff(before, after) {
  const a = before.split(/\s+/).filter(Boolean), b = after.split(/\s+/).filter(Boolean);
  const length = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      length[i][j] = a[i] === b[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
  const out = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { out.push(["same", a[i]]); i += 1; j += 1; }
    else if (i < a.length && (j === b.length || length[i + 1][j] >= length[i][j + 1])) { out.push(["del", a[i]]); i += 1; }
    else { out.push(["ins", b[j]]); j += 1; }
  }
  return out;
}

/** Only what changed; the rest is an ellipsis. */
export function drawChange(holder, before, after) {
  const parts = [];
  for (const [kind, word] of wordDiff(before, after)) {
    if (kind !== "same") parts.push(el(kind, {}, word), " ");
    else if (parts.at(-1) !== "… ") parts.push("… ");
  }
  holder.replaceChildren(...parts);
}

/** The difference as marked words. */
export function drawDiff(holder, before, after) {
  holder.replaceChildren(...wordDiff(before, after).flatMap(([kind, word]) => [kind === "same" ? word : el(kind, {}, word), " "]));
}

const NAMES = { seed: "seed", steps: "steps", guidance: "guidance", width: "width", height: "height", strategy: "method", negative_prompt: "without", budget: "at most", fidelity: "at least" };

/** The settings two pictures differ in: [name, before, after]. */
export function settingsDiff(a, b) {
  return Object.entries(NAMES).filter(([key]) => (a[key] ?? "") !== (b[key] ?? "")).map(([key, name]) => [name, a[key] ?? "–", b[key] ?? "–"]);
}
