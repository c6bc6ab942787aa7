// The loop: a pause in typing previews, Enter makes it good, idle time makes it exact. The newest request always wins.

import { at, plural, seconds, toast } from "./dom.js";
import { events, post } from "./net.js";
import { changed, dropImages, dropNodes, putImage, putNode, set, state } from "./store.js";

// Shorter than most people's time between two keys: what a next key supersedes ends within a step.
const PAUSE_MS = 80;
const IDLE_MS = 350;
const IDLE_PREVIEW_MS = 1200;
const DRAFT_DB = 30;
const RANDOM_SEEDS = 2 ** 31;

// The newest run, and the one whose place it took: that one is read on to its end, a step away, as what it had finished stays.
let newest = null;
let former = null;
let pauseTimer = 0;
let idleTimer = 0;
let randomSeed = null;

const isRandom = (seed) => seed === null || seed === "" || Number(seed) === -1;

/** Of these pictures those that are kept: one that was deleted neither holds a run up nor is forgotten, as it may be brought back. */
export const there = (keys) => keys.filter((key) => state.nodes.has(key));

/** The request as the form stands. A random seed is drawn once for all previews of one picture. */
export function request(changes = {}) {
  const { settings } = state;
  if (isRandom(settings.seed)) randomSeed ??= Math.floor(Math.random() * RANDOM_SEEDS);
  const current = state.nodes.get(state.current);
  return {
    prompt: settings.prompt, negative_prompt: settings.negative_prompt,
    seed: isRandom(settings.seed) ? randomSeed : Number(settings.seed),
    steps: settings.steps, guidance: settings.guidance, width: settings.width, height: settings.height,
    strategy: settings.strategy, quality: settings.quality,
    amount: settings.quality === "db" ? settings.amount : settings.quality === "evaluations" ? settings.evaluations : null,
    pinned: there(settings.pinned), excluded: there(settings.excluded),
    parent: current ? (current.draft ? current.parent : current.key) : null,
    ...changes,
  };
}

export function typed() {
  clearTimeout(pauseTimer);
  clearTimeout(idleTimer);
  if (!state.settings.live || state.model.is_lent) { clearOutlook(); return; }
  // Whoever switches it off within the pause means this one as well.
  pauseTimer = setTimeout(() => { if (state.settings.live && state.settings.prompt.trim()) start("run", request({ level: "preview" })); }, PAUSE_MS);
}

export function enter(changes = {}) {
  clearTimeout(pauseTimer);
  if (!state.settings.prompt.trim() && !changes.prompt) { say("warn", "Describe a picture first."); at("prompt").focus(); return; }
  start("run", request({ level: "good", ...changes }));
  state.unsent = null;
  randomSeed = null;
}

export function stop() {
  clearTimeout(pauseTimer);
  clearTimeout(idleTimer);
  const was = state.run;
  state.run = null;
  was?.end(null);
  if (was?.ahead) at("ahead-told").textContent = "";
  // What the server has not taken yet would begin after it was told to stop.
  if (was && !was.isTaken) was.controller.abort();
  changed("run", "stage");
  post("stop").catch(() => {});
  if (was?.name === "sheet") say("warn", "Stopped; what was finished stays.");
  else if (was) say("warn", was.name === "complete" ? "Stopped; what is computed of the exact picture is kept for later." : `Stopped after ${plural(was.nfe, "evaluation")}; finished pictures stay.`);
}

/** Make the current picture exact now, or tell why not. */
export async function complete(key = state.current) {
  if (!state.nodes.has(key)) return;
  const last = await start("complete", { key });
  if (last?.type === "done" && state.nodes.get(key)?.state !== "exact") say("warn", "This picture cannot be made exact here: another model made it, or it is no longer kept.");
}

export function say(kind, text) {
  at("status").textContent = text;
  at("status").dataset.kind = kind;
}

/** Ask for something in the place of whatever runs; `take` may handle events of its own. Gives the last event, null if another took its place. */
export function start(name, body, take = null) {
  // A setting that is left by a click on a button asks for a preview as well: the button is what is meant.
  clearTimeout(pauseTimer);
  clearTimeout(idleTimer);
  former?.controller.abort();
  former = newest;
  former?.end(null);
  if (former && !former.isTaken) former.controller.abort();
  const controller = new AbortController();
  const run = { name, body, controller, began: performance.now(), nfe: 0, k: 0, steps: body.steps || state.model.steps, kinds: [], angles: {}, latency: [], place: 0 };
  newest = state.run = run;
  changed("run");
  at("ahead-told").textContent = "";
  if (name === "run" && body.level === "good") clearOutlook();
  if (name === "run") say("busy", body.level === "preview" ? "Previewing…" : "Making it good…");
  return new Promise((resolve) => {
    run.end = resolve;
    follow(run, take).then(resolve);
  });
}

async function follow(run, take) {
  let last = null;
  try {
    for await (const event of events(run.name, run.body, run.controller.signal, () => { run.isTaken = true; })) {
      if (state.run !== run) { keep(event, run); continue; }
      last = event;
      await take?.(event, run);
      handle(event, run);
    }
  } catch (error) {
    if (state.run !== run) return null;
    last = { type: "error", text: error.message };
    handle(last, run);
  }
  if (state.run !== run) return null;
  state.run = null;
  changed("run", "stage");
  if (last?.type === "done") rest(run);
  return last;
}

function handle(event, run) {
  if (event.type === "queued") {
    run.place = event.place;
    say("busy", `Waiting: place ${event.place} in the queue${event.seconds ? `, about ${seconds(event.seconds)}` : ""}.`);
  } else if (event.type === "step") step(event, run);
  else if (event.type === "completing") {
    Object.assign(run, { k: event.k, steps: event.steps, nfe: event.nfe });
    run.key = event.key;
    changed("progress");
  } else if (event.type === "ahead") {
    Object.assign(run, { ahead: true, nfe: event.nfe ?? 0 });
    if (!state.settings.ahead) { stop(); return; }
    // Beside its switch: the line of the picture stays that of the picture.
    if (event.prompt) at("ahead-told").textContent = `“${event.prompt}” is ready`;
    else if (event.k % 4 === 1) at("ahead-told").textContent = `${event.k} of ${event.steps}`;
  } else if (event.type === "picture") picture(event, run);
  else if (event.type === "estimate") estimate(event);
  else if (event.type === "stopped") say("warn", "Stopped; finished pictures stay.");
  else if (event.type === "error") { say("error", event.text); if (run.name !== "complete") toast(event.text); }
  else keep(event, run);
}

/** What was finished, also by a run whose place another has taken. */
function keep(event, run) {
  if (event.type === "picture" && event.node) place(event, run);
  else if (["cell", "exact"].includes(event.type) && event.node) { putImage(event.node.key, "shown", event.image); putNode(event.node); }
  else if (event.type === "forgotten") {
    event.keys.forEach(dropImages);
    dropNodes(event.keys);
    if (event.let_go) toast(`${plural(event.let_go, "old picture")} let go to make room; a session saved as a file keeps all it has.`);
  }
  if (event.held !== undefined) state.held = event.held;
}

function place(event, run) {
  const { node } = event;
  if (event.completed) dropImages(node.key);
  // From the key press to the picture decoded here, as it was waited for.
  else node[event.stored ? "fetched" : "waited"] = (performance.now() - run.began) / 1000;
  putImage(node.key, "shown", event.image);
  // One that was made ahead is new to the page.
  if (event.stored && state.nodes.has(node.key)) state.order = [node.key, ...state.order.filter((key) => key !== node.key)];
  if (event.completed) node.waited = state.nodes.get(node.key)?.waited ?? node.waited;
  putNode(node);
  if (event.completed) return;
  // Who has gone back to another picture meanwhile stays there; so does who sees a newer one.
  if (!run.isLeft) {
    state.current = node.key;
    if (!state.isOtherChosen) state.other = null;
  }
  if (run === newest && former) former.isLeft = true;
  run.image = null;
  // The server keeps no draft from before this run; if one given up unread has let it go, nobody has heard so.
  const gone = state.order.filter((key) => state.nodes.get(key).draft && !(state.nodes.get(key).seen > run.began));
  gone.forEach(dropImages);
  dropNodes(gone);
}

/** Stay with what is on the stage, whatever is finished now. */
export function stay() {
  for (const run of [newest, former]) if (run) run.isLeft = true;
}

function step(event, run) {
  // The lab tells its steps itself.
  if (event.phase === "lab") return;
  if (event.phase !== "cached") { say("busy", `From scratch, to compare: ${event.k + 1} of ${event.steps} steps.`); return; }
  if (!run.kinds.length) for (let k = 0; k < event.k; k += 1) run.kinds.push("cached");
  run.kinds[event.k] = event.kind;
  run.latency[event.k] = event.seconds;
  if (event.angle !== null) run.angles[event.k] = event.angle;
  Object.assign(run, { k: event.k + 1, steps: event.steps, nfe: event.nfe, expected: event.expected, image: event.image || run.image });
  if (run.body.level !== "preview") say("busy", `${event.nfe} computed, step ${event.k + 1} of ${event.steps}${event.expected ? `, about ${event.expected.toFixed(0)} dB` : ""}.`);
  changed("progress");
}

function picture(event, run) {
  const { node } = event;
  if (!node) { say("warn", "This picture is larger than the session may keep; it was not kept."); return; }
  keep(event, run);
  if (event.completed) {
    if (node.key === state.current) {
      run.image = null;
      // What Enter was to cost is past: the picture is there.
      clearOutlook();
      announce(node, `Exact${node.measured === null || node.measured >= 99 ? "" : `; the picture before was ${node.measured.toFixed(0)} dB from it`}.`);
    }
    return;
  }
  const took = event.stored ? node.fetched : node.waited;
  const cost = event.stored ? "from the store, nothing computed" : `${event.spent} of ${node.steps} steps computed`;
  if (run.body.level === "preview") { say("done", `Preview: ${cost} in ${seconds(took)}. Enter makes it good.`); at("spoken").textContent = "Preview ready"; }
  else announce(node, `${node.state === "exact" ? "Exact" : "Good"}: ${cost} in ${seconds(took)}${node.expected && node.state !== "exact" ? `, ${node.expected[1].toFixed(0)} dB expected` : ""}.`);
  changed("stage");
}

function announce(node, text) {
  say("done", text);
  at("spoken").textContent = `${text} ${node.prompt}`;
}

/** What Enter would cost is told of the form as it stood; what is said of the words stays. */
function clearOutlook() {
  if (!at("outlook").dataset.words) at("outlook").textContent = "";
}

function estimate(event) {
  const line = at("outlook");
  if (line.dataset.words) return;
  line.classList.toggle("warned", Boolean(event.warning));
  if (event.warning) line.textContent = event.warning;
  else {
    const cost = event.nfe ? `Enter: ${event.nfe} of ${state.settings.steps} steps` : "Enter: stored already";
    line.textContent = cost + (event.seconds ? `, about ${seconds(event.seconds)}` : "") + (event.expected ? `, ${event.expected.median_db.toFixed(0)} dB` : "");
  }
  line.title = event.reason || event.warning || "";
}

/** After a run that ended by itself: idle time is used. */
function rest(run) {
  if (!state.settings.idle || state.model.is_shared || run.name === "complete") return;
  const node = state.nodes.get(state.current);
  if (!node) return;
  idleTimer = setTimeout(() => { if (!state.run && state.settings.idle) start("complete", { key: state.current, ahead: state.settings.ahead }); }, node.draft ? IDLE_PREVIEW_MS : IDLE_MS);
}

/** Put the settings of a picture into the form, without asking for anything. */
export function fill(node) {
  const { settings } = state;
  clearOutlook();
  set({
    prompt: node.prompt, negative_prompt: node.negative_prompt ?? "", seed: node.seed ?? settings.seed, steps: node.steps ?? settings.steps,
    guidance: node.guidance ?? settings.guidance, width: node.width ?? settings.width, height: node.height ?? settings.height,
    strategy: state.strategies.some(({ name }) => name === node.strategy) ? node.strategy : "auto", ...qualityOf(node),
  });
  changed("prompt");
}

/** How good a picture was asked to be; of a preview, and of one that does not say, nothing is known. */
function qualityOf(node) {
  if (node.draft || node.budget === undefined) return {};
  if (node.budget) return node.budget >= node.steps ? { quality: "exact" } : { quality: "evaluations", evaluations: node.budget };
  if (node.fidelity) return node.fidelity === DRAFT_DB ? { quality: "draft" } : { quality: "db", amount: node.fidelity };
  return { quality: "balanced" };
}

/** A picture's settings to go on from: one that was computed in full would, left in the form, switch the cache off for all that follows. */
export const onwards = (node) => (node.strategy === "baseline" ? { ...node, strategy: "auto" } : node);

/** Neither the preview nor the idle work that a pause was to begin. */
export function cancelWaiting() {
  clearTimeout(pauseTimer);
  clearTimeout(idleTimer);
}
