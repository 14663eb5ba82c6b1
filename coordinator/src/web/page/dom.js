// Small helpers. Text goes into the page as text nodes only; there is no way here to make HTML of it.

// An element with attributes and children; strings become text.
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("--")) node.style.setProperty(key, value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((c) => c !== null && c !== undefined && c !== ""));
  return node;
}

export const $ = (id) => document.getElementById(id);

// Sets text only when it differs, so that a calm page stays calm and selections survive.
export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

// Brings `parent`'s children in line with `items`: each has a key, is made once and updated in place.
export function keyed(parent, items, key, make, update) {
  const old = new Map([...parent.children].filter((child) => child.dataset.key).map((child) => [child.dataset.key, child]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const k = String(key(item));
    let node = old.get(k);
    if (node) old.delete(k);
    else {
      node = make(item);
      node.dataset.key = k;
    }
    update(node, item);
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
  for (const gone of old.values()) gone.remove();
}

const pad = (n, width = 2) => String(n).padStart(width, "0");

// HH:MM:SS, UTC like everything that the coordinator prints.
export function clock(ms) {
  if (!Number.isFinite(ms)) return "";
  const d = new Date(ms);
  return `${pad(d.getUTCHours())}:${pad(d.getUTCMinutes())}:${pad(d.getUTCSeconds())}`;
}

export function precise(ms) {
  return Number.isFinite(ms) ? `${clock(ms)}.${pad(new Date(ms).getUTCMilliseconds(), 3)}` : "";
}

export function duration(ms) {
  if (!Number.isFinite(ms) || ms < 0) return "";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const s = Math.round(ms / 1000);
  if (s < 120) return `${s} s`;
  const m = Math.floor(s / 60);
  return m < 120 ? `${m} min ${pad(s % 60)} s` : `${Math.floor(m / 60)} h ${pad(m % 60)} min`;
}

// What a state is called, its sign and its colour class: colour is never the only one to tell.
const SIGNS = {
  good: "●", busy: "◐", warn: "▲", bad: "✖", none: "○",
};
const LEVELS = {
  good: ["connected", "ready", "pass", "true", "succeeded", "done"],
  busy: ["active", "running", "queued", "waiting", "probing", "unfinished"],
  warn: ["suspect", "unknown", "warning", "cancelling", "stopped_at_gate", "inconclusive", "not ready", "cancelled"],
  bad: ["lost", "fail", "failed", "false", "error", "needs_decision"],
};
export function level(word) {
  const w = String(word).toLowerCase();
  return Object.keys(LEVELS).find((l) => LEVELS[l].includes(w)) ?? "none";
}
export function state(word, lvl = level(word)) {
  const shown = String(word).replaceAll("_", " ");
  return el("span", { class: `state ${lvl}` }, el("span", { "aria-hidden": "true" }, SIGNS[lvl]), ` ${shown}`);
}
// Replaces a state only when it changed.
export function setState(node, word, lvl) {
  if (node.dataset.word === `${word}/${lvl}`) return;
  node.dataset.word = `${word}/${lvl}`;
  node.replaceChildren(state(word, lvl));
}
