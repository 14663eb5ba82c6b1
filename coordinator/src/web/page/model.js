// What is known: the fold of the events into runs, phases, steps and attempts. Nothing is drawn here.

export const KEPT_EVENTS = 5000;
const KEPT_SAMPLES = 1000;
const KEPT_RUNS = 8;
export const PHASES = ["", "host and nodes", "kubeadm", "network", "PKI and secrets", "policy", "observability", "delivery and backup", "verification"];

const ENDS = {
  step_succeeded: "done", step_failed: "failed", step_cancelled: "cancelled", step_unknown: "unknown",
  step_needs_decision: "needs_decision",
};

const isSample = (e) => e.class === "health" && e.severity === "debug";

export class Model {
  constructor() {
    this.status = null;
    this.statusIsNew = false;
    this.skew = 0; // the coordinator's clock minus this browser's, milliseconds
    this.log = null;
    this.clear();
  }

  clear() {
    this.events = []; // oldest first
    this.runs = new Map();
    this.revision = 0;
    this.bookmark = null;
    this.serial = 0;
  }

  now() {
    return Date.now() + this.skew;
  }

  takeStatus({ now, status }) {
    this.status = status;
    this.statusIsNew = true;
    this.skew = Date.parse(now) - Date.now();
  }

  // True when it is new; what came before a reconnect comes no second time.
  takeEntry(e) {
    if (!(e.revision > this.revision)) return false;
    this.revision = e.revision;
    const at = Date.parse(e.time);
    this.keep({ ...e, at });
    if (e.run) this.fold(e, at);
    return true;
  }

  // A record about the stream itself, shown among the events.
  takeNote(kind, severity, message, entry) {
    const at = entry?.time ? Date.parse(entry.time) : this.now();
    if (entry?.revision) {
      if (!(entry.revision > this.revision)) return false;
      this.revision = entry.revision;
    }
    this.keep({ ...(entry ?? {}), at, kind, severity, class: "log", message, note: true });
    return true;
  }

  keep(e) {
    e.serial = ++this.serial;
    this.events.push(e);
    if (this.events.length > KEPT_EVENTS * 1.1) this.makeRoom();
  }

  // Of the samples the oldest go first, then of all: in a lab that idles nearly all events are samples.
  makeRoom() {
    let surplus = this.events.filter(isSample).length - KEPT_SAMPLES;
    this.events = this.events.filter((e) => !isSample(e) || surplus-- <= 0);
    if (this.events.length > KEPT_EVENTS) this.events.splice(0, this.events.length - KEPT_EVENTS);
  }

  run(id, at) {
    let run = this.runs.get(id);
    if (!run) {
      run = { id, start: at, last: at, end: null, outcome: null, message: "", whole: false, phase: 1, phases: new Map([[1, { start: at, end: null }]]), steps: new Map(), marks: [], version: 0 };
      this.runs.set(id, run);
      if (this.runs.size > KEPT_RUNS) this.runs.delete(this.runs.keys().next().value);
    }
    return run;
  }

  fold(e, at) {
    const run = this.run(e.run, at);
    if (["run", "phase", "step", "drill"].includes(e.class)) run.version++;
    if (!run.end) run.last = Math.max(run.last, at);
    switch (e.kind) {
      case "run_started":
        Object.assign(run, { start: at, whole: true, title: e.message });
        run.phases.set(1, { start: at, end: null });
        return;
      case "run_finished":
        Object.assign(run, { end: at, outcome: e.outcome, message: e.message });
        return;
      case "gate_reached": {
        const phase = run.phases.get(e.phase) ?? { start: run.start };
        run.phases.set(e.phase, { ...phase, end: at });
        run.phase = Math.max(run.phase, e.phase + 1);
        if (e.phase < 8 && !run.phases.has(e.phase + 1)) run.phases.set(e.phase + 1, { start: at, end: null });
        return;
      }
      case "epoch_started":
        run.marks.push({ at, text: e.message });
        return;
    }
    if (e.kind === "drill_progress") this.drill(run, e.message, at);
    if (e.step && e.class === "step") this.step(run, e, at);
  }

  // A drill's phases follow one another, its faults hold from one word to the other: both are bars too.
  drill(run, message, at) {
    const [, name, what] = /^drill ([^:]+): (.*)$/s.exec(message) ?? [];
    if (!name) return;
    Object.assign(run, { drill: name, title: `drill ${name}`, whole: true, phases: new Map() });
    const begin = (id, label) => run.steps.set(id, { id, name: label, node: null, cluster: null, phase: 0, start: at, attempts: new Map([[1, { n: 1, start: at, running: at, end: null, state: "running", wait: false, message: what }]]) });
    const finish = (id, state) => {
      const attempt = run.steps.has(id) ? last(run.steps.get(id)) : null;
      if (attempt && !attempt.end) Object.assign(attempt, { end: at, state, message: what });
    };
    const phase = /^phase (.+)$/.exec(what)?.[1];
    const taken = /^(.+) took hold$/.exec(what)?.[1];
    const undone = /^(.+) is undone$/.exec(what)?.[1];
    const verdict = /^verdict (.+)$/.exec(what)?.[1];
    if (phase || verdict) for (const id of run.steps.keys()) if (id.startsWith("phase ")) finish(id, "done");
    if (phase) begin(`phase ${phase}`, `phase ${phase}`);
    if (taken) begin(`fault ${taken}`, `fault ${taken}`);
    if (undone) finish(`fault ${undone}`, "fault");
    if (verdict) Object.assign(run, { end: at, outcome: verdict, message: "" });
  }

  step(run, e, at) {
    let step = run.steps.get(e.step);
    if (!step) {
      step = { id: e.step, name: "", node: e.node, cluster: e.cluster, phase: run.phase, start: at, attempts: new Map() };
      run.steps.set(e.step, step);
    }
    if (e.kind === "step_intended") step.name = e.message;
    step.node ??= e.node;
    step.cluster ??= e.cluster;
    const n = e.attempt ?? 1;
    let attempt = step.attempts.get(n);
    if (!attempt) {
      attempt = { n, start: at, running: null, end: null, state: "queued", wait: false, message: "" };
      step.attempts.set(n, attempt);
    }
    const end = ENDS[e.kind];
    if (e.kind === "step_running") {
      attempt.running ??= at;
      attempt.end = null;
      attempt.wait = e.message.endsWith("running as wait");
      attempt.state = attempt.wait ? "waiting" : "running";
    } else if (e.kind === "step_probing") {
      if (attempt.state !== "done") attempt.state = "probing";
    } else if (end) {
      attempt.end = at;
      attempt.state = end;
      // Where the node tells how long its unit ran, the bar begins where the unit did.
      if (attempt.running === null && e.run_ms > 0) attempt.running = Math.max(attempt.start, at - e.run_ms);
      if (end !== "done" || !attempt.message) attempt.message = e.message;
      if (e.code) attempt.code = e.code;
      if (e.output) attempt.output = e.output;
    } else if (e.kind === "step_progress") attempt.message = e.message;
  }
}

export const last = (step) => [...step.attempts.values()].at(-1);

// The words that the terminal's dashboard knows: bare ones, or key:value.
const KEYS = { node: "node", cluster: "cluster", kind: "kind", severity: "severity", sev: "severity", step: "step", run: "run", message: "message", msg: "message", code: "code" };
const BARE = ["node", "cluster", "kind", "severity", "message", "code"];

export function parseFilter(typed) {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
    const at = word.indexOf(":");
    const key = at > 0 ? KEYS[word.slice(0, at)] : undefined;
    return key ? { key, text: word.slice(at + 1) } : { key: null, text: word };
  });
  const holds = (e, field, t) => typeof e[field] === "string" && e[field].toLowerCase().includes(t);
  return (e) => words.every((w) => (w.key ? holds(e, w.key, w.text) : BARE.some((field) => holds(e, field, w.text))));
}
