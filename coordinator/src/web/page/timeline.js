// The Gantt chart: one row per step, grouped by phase, a bar per attempt with its time in the queue before it.
// A bar's place is two numbers; the axis' length is one more, so that time goes on by changing a single value.
import { $, clock, duration, el, keyed, precise, setState, text } from "./dom.js";
import { PHASES, last } from "./model.js";

const RUNNING = ["queued", "waiting", "running", "probing"];
const MOST_ROWS = 600;

export class Timeline {
  constructor(model, show) {
    this.model = model;
    this.show = show;
    this.shown = null;
    this.version = -1;
    this.follows = true; // the newest steps stay in sight until somebody scrolls away
    this.box = $("gantt");
    this.axis = el("div", { class: "axis", "aria-hidden": "true" });
    this.rows = el("div", { class: "rows", role: "rowgroup" });
    this.box.replaceChildren(this.axis, this.rows);
    $("run").addEventListener("change", () => this.choose($("run").value));
    $("rows").addEventListener("change", () => this.choose(this.shown));
    this.box.addEventListener("scroll", () => {
      this.follows = this.box.scrollTop + this.box.clientHeight >= this.box.scrollHeight - 4;
    });
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("pointerover", (event) => this.hint(event.target));
    this.box.addEventListener("focusin", (event) => this.hint(event.target));
    this.box.addEventListener("click", (event) => this.open(event.target));
  }

  choose(id) {
    this.shown = id;
    this.picked = id !== [...this.model.runs.keys()].at(-1);
    this.version = -1;
    this.rows.replaceChildren();
  }

  draw() {
    const { runs } = this.model;
    if (!this.picked || !runs.has(this.shown)) {
      const newest = [...runs.keys()].at(-1) ?? null;
      if (newest !== this.shown) {
        this.shown = newest;
        this.version = -1;
        this.rows.replaceChildren();
      }
    }
    keyed($("run"), [...runs.values()].reverse(), (r) => r.id, (r) => el("option", { value: r.id }), (o, r) => text(o, `${clock(r.start)} ${r.title ?? r.id.slice(0, 8)}`));
    if (this.shown && $("run").value !== this.shown) $("run").value = this.shown;
    const run = runs.get(this.shown);
    this.box.hidden = !run;
    if (!run) return text($("run-line"), "No run yet: coordinator up");
    const end = run.end ?? Math.max(run.last, this.model.now());
    this.line(run, end);
    this.scale(run, end);
    if (run.version === this.version) return;
    this.version = run.version;
    this.steps(run);
    if (!run.end && this.follows) this.box.scrollTop = this.box.scrollHeight;
  }

  line(run, end) {
    const state = run.outcome ?? "active";
    const part = run.whole ? "" : " · its begin is not in what this page read";
    const done = [...run.steps.values()].filter((s) => last(s).state === "done").length;
    const steps = run.drill ? "" : ` · ${done} of ${run.steps.size} begun steps done`;
    text($("run-line"), `${run.drill ? "verdict " : ""}${state.replaceAll("_", " ")} · ${duration(end - run.start)}${steps}${part}${run.message ? ` · ${run.message}` : ""}`);
  }

  // Ticks at round distances, about one per 110 pixels.
  scale(run, end) {
    const span = Math.max(1000, (end - run.start) * 1.015);
    this.box.style.setProperty("--span", String(span));
    const wide = this.axis.clientWidth || 800;
    const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600].map((s) => s * 1000);
    const each = steps.find((s) => (s / span) * wide >= 90) ?? steps.at(-1);
    const ticks = [];
    for (let t = 0; t <= span; t += each) ticks.push({ k: `t${t}`, t, label: `+${duration(t).replace(".0 s", " s")}`, kind: "tick" });
    for (const [n, phase] of run.phases) {
      if (!phase.end && (run.end || n !== run.phase)) continue;
      ticks.push({ k: `p${n}`, t: phase.start - run.start, to: (phase.end ?? end) - run.start, label: `${n} ${PHASES[n] ?? ""}`, kind: "phase" });
    }
    for (const [i, m] of run.marks.entries()) ticks.push({ k: `m${i}`, t: m.at - run.start, label: m.text, kind: "mark" });
    keyed(this.axis, ticks, (t) => t.k, (t) => el("span", { class: t.kind }), (node, t) => {
      node.style.setProperty("--a", String(t.t));
      node.style.setProperty("--b", String(t.to ?? t.t));
      text(node, t.label);
      node.title = t.label;
    });
    for (const bar of this.rows.querySelectorAll(".bar.live")) bar.style.setProperty("--b", String(end - run.start));
  }

  steps(run) {
    let steps = [...run.steps.values()];
    const took = (s) => (last(s).end ?? this.model.now()) - s.start;
    const show = $("rows").value;
    if (show === "long") steps = steps.sort((a, b) => took(b) - took(a)).slice(0, 20);
    if (show === "bad") steps = steps.filter((s) => s.attempts.size > 1 || !["done", "fault", ...RUNNING].includes(last(s).state));
    steps.sort((a, b) => a.phase - b.phase || a.start - b.start);
    const items = [];
    let phase = 0;
    for (const step of steps.slice(0, MOST_ROWS)) {
      if (step.phase !== phase) {
        phase = step.phase;
        items.push({ id: `group ${phase}`, phase });
      }
      items.push(step);
    }
    keyed(this.rows, items, (i) => i.id, (i) => (i.attempts ? this.row(i) : el("div", { class: "group", role: "row" }, el("span", { role: "gridcell" }, `Phase ${i.phase}: ${PHASES[i.phase] ?? ""}`))), (node, i) => i.attempts && this.update(node, i, run));
    if (!this.rows.querySelector('.row[tabindex="0"]')) this.rows.querySelector(".row")?.setAttribute("tabindex", "0");
  }

  row(step) {
    return el("div", { class: "row", role: "row", tabindex: "-1", "data-step": step.id },
      el("span", { class: "label", role: "gridcell" }), el("span", { class: "track", role: "gridcell" }));
  }

  update(node, step, run) {
    const [label, track] = node.children;
    const [where, ...what] = (step.name || `step ${step.id.slice(0, 8)}`).split(" ");
    if (!label.firstChild) label.append(el("b", {}), " ", el("span", {}));
    text(label.children[0], where);
    text(label.children[1], what.join(" "));
    const now = last(step);
    node.setAttribute("aria-label", `${step.name}: ${now.state.replaceAll("_", " ")}, ${describe(step)}`);
    node.dataset.state = now.state;
    keyed(track, [...step.attempts.values()], (a) => a.n, () => el("span", { class: "try" }, el("i", { class: "bar queued" }), el("i", { class: "bar main" })), (span, a) => {
      const [queue, main] = span.children;
      const begin = a.running ?? a.end;
      place(queue, a.start - run.start, (begin ?? this.model.now()) - run.start, begin === null);
      const live = a.running !== null && a.end === null;
      main.className = `bar main ${a.wait && a.state === "done" ? "waited" : a.state}`;
      main.hidden = begin === null;
      place(main, (begin ?? a.start) - run.start, (a.end ?? this.model.now()) - run.start, live);
      text(main, a.state === "failed" || a.state === "needs_decision" ? "✖" : a.n > 1 ? `×${a.n}` : "");
    });
  }

  hint(target) {
    const step = this.at(target);
    if (step) text($("hint"), `${step.name} · ${last(step).state.replaceAll("_", " ")} · ${describe(step)}`);
  }

  at(target) {
    const row = target.closest?.(".row");
    return row ? this.model.runs.get(this.shown)?.steps.get(row.dataset.step) : null;
  }

  open(target) {
    const step = this.at(target);
    if (step) this.show(step, this.shown);
  }

  // One row is in the tab order; the arrows move it.
  key(event) {
    const row = event.target.closest?.(".row");
    if (!row) return;
    const all = [...this.rows.querySelectorAll(".row")];
    const at = all.indexOf(row);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1, PageDown: at + 10, PageUp: at - 10 }[event.key];
    if (event.key === "Enter" || event.key === " ") this.open(row);
    else if (to === undefined) return;
    else {
      const next = all[Math.max(0, Math.min(all.length - 1, to))];
      row.setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
    }
    event.preventDefault();
  }
}

function place(bar, from, to, live) {
  bar.style.setProperty("--a", String(from));
  bar.style.setProperty("--b", String(Math.max(from, to)));
  bar.classList.toggle("live", live);
}

function describe(step) {
  const a = last(step);
  const parts = [`began ${precise(step.start)}`];
  if (a.running !== null) parts.push(`${a.wait ? "waited" : "ran"} ${duration((a.end ?? Date.now()) - a.running)}`);
  if (a.n > 1) parts.push(`attempt ${a.n}`);
  if (a.code) parts.push(a.code);
  return parts.join(" · ");
}

// A step for the dialog: its attempts, then its events.
export function stepDetail(model, step) {
  const attempts = [...step.attempts.values()].map((a) => {
    const box = el("li", {}, el("b", {}, `attempt ${a.n} `), el("span", { class: "word" }), ` ${precise(a.start)} to ${a.end ? precise(a.end) : "now"}${a.running !== null ? `, ${duration((a.end ?? model.now()) - a.running)}` : ""}`, el("p", {}, a.message), a.output ? el("pre", {}, a.output) : null);
    setState(box.querySelector(".word"), a.state);
    return box;
  });
  const events = model.events.filter((e) => e.step === step.id).slice(-100).map((e) => el("li", {}, `${precise(e.at)} ${e.kind} ${e.message}`));
  return el("div", {}, el("ul", {}, ...attempts), el("h3", {}, "Events"), el("ol", { class: "plain" }, ...events));
}
