// Small helpers over the document. Text is always set as text, so nothing typed can become markup.

export const at = (id) => document.getElementById(id);

/** An element with attributes, listeners (`onclick`) and children. */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** A row of buttons of which one is chosen; arrows move. Returns a function that shows the choice. */
export function segments(holder, options, choose) {
  holder.replaceChildren(...options.map(([value, label, title]) => el("button", {
    type: "button", role: "radio", "data-value": value, title, onclick: () => choose(value),
  }, label)));
  holder.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const buttons = [...holder.querySelectorAll("[role=radio]")];
    const index = buttons.indexOf(event.target);
    if (!step || index < 0) return;
    event.preventDefault();
    event.stopPropagation();
    const next = buttons[(index + step + buttons.length) % buttons.length];
    next.focus();
    next.click();
  });
  return (value) => {
    for (const button of holder.querySelectorAll("[role=radio]")) {
      button.setAttribute("aria-checked", String(button.dataset.value === value));
      button.tabIndex = button.dataset.value === value ? 0 : -1;
    }
  };
}

/** A menu of [label, action] under a button; Esc and a click elsewhere close it, focus goes back. */
export function menu(button, items) {
  const list = el("div", { class: "menu", role: "menu" }, items.map(([label, action]) => el("button", {
    type: "button", role: "menuitem", onclick: () => { close(); action(); },
  }, label)));
  const close = open(button, list);
  list.addEventListener("keydown", (event) => {
    const buttons = [...list.children];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Tab") { event.preventDefault(); event.stopPropagation(); close(); }
    else if (step) { event.preventDefault(); event.stopPropagation(); buttons[(buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length].focus(); }
  });
  list.firstElementChild.focus();
}

/** Anything under a button, which stays until Esc or a click elsewhere. */
export function popover(button, name, children) {
  const box = el("div", { class: "popover", role: "dialog", "aria-label": name }, children);
  open(button, box);
  box.querySelector("button")?.focus();
}

/** Put a box under a button; returns what closes it, as Esc, a click elsewhere and leaving it by Tab do. */
function open(button, box) {
  const close = (isBack = true) => {
    box.remove();
    button.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside, true);
    if (isBack) button.focus();
  };
  const outside = (event) => box.contains(event.target) || close();
  box.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); close(); } });
  box.addEventListener("focusout", (event) => { if (event.relatedTarget && !box.contains(event.relatedTarget) && box.isConnected) close(false); });
  document.body.append(box);
  const place = button.getBoundingClientRect();
  box.style.left = `${Math.max(4, Math.min(place.left, innerWidth - box.offsetWidth - 8))}px`;
  box.style.top = `${place.bottom + box.offsetHeight + 4 > innerHeight ? Math.max(4, place.top - box.offsetHeight - 4) : place.bottom + 4}px`;
  button.setAttribute("aria-expanded", "true");
  document.addEventListener("pointerdown", outside, true);
  return close;
}

/** Whether a key belongs to an input method; Safari's last one says so by its code alone. */
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

let toastTimer = 0;
/** One sentence over the page for a few seconds, read out as an alert. */
export function toast(text) {
  at("toast").textContent = text;
  at("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { at("toast").hidden = true; }, 5000);
}

/** Hand a file to the browser's downloads. */
export function save(blob, name) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function blobOf(dataUri) {
  const [head, body] = dataUri.split(",");
  const bytes = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type: head.slice(5, head.indexOf(";")) });
}

export const seconds = (value) => (value < 0.995 ? `${value.toFixed(2)} s` : `${value.toFixed(1)} s`);
export const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
export const megabytes = (bytes) => (bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 2 ** 20).toFixed(0)} MB`);
