// The lab as it is: phases, clusters with their nodes, contracts, waits, reports.
import { $, clock, duration, el, keyed, level, precise, setState, text } from "./dom.js";
import { PHASES } from "./model.js";

const PROMISES = {
  C1: "apps serve while mgmt is down",
  C2: "metrics buffered, losses counted",
  C3: "secrets outlive Vault",
  C4: "Kyverno on app clusters only",
  C5: "self-signed CA, then Vault issuer",
  C6: "VXLAN, full cluster mesh",
};

export function drawHead(model) {
  const { status } = model;
  text($("lab"), `${status.lab} · epoch ${status.epoch}`);
  const through = status.run?.through ?? 0;
  const finished = status.run && !["active", "cancelling"].includes(status.run.state);
  const items = PHASES.slice(1).map((name, i) => ({ n: i + 1, name }));
  keyed($("phases"), items, (p) => p.n, (p) => el("li", { title: `phase ${p.n}: ${p.name}` }, el("b", {}, String(p.n)), el("span", {}, p.name)), (node, p) => {
    const done = status.run && (p.n < status.phase || (p.n === status.phase && status.run.state === "succeeded"));
    const now = status.run && !done && p.n === status.phase && !finished;
    const word = done ? "done" : now ? "now" : p.n > through ? "not asked for" : "to come";
    node.className = done ? "done" : now ? "now" : "";
    if (now) node.setAttribute("aria-current", "step");
    else node.removeAttribute("aria-current");
    node.setAttribute("aria-label", `phase ${p.n}, ${p.name}: ${word}`);
  });
}

// A running drill: its phase, and the deadline clock of every metrics backlog.
export function drawDrill({ status }) {
  const line = $("drill");
  line.hidden = !status.drill;
  if (!status.drill) return;
  const { drill, phase, left_ms, backlogs } = status.drill;
  const left = left_ms === null ? "" : `, ${Math.ceil(left_ms / 1000)} s left`;
  const items = [{ id: "-", words: `drill ${drill}: ${phase ?? "begins"}${left}`, level: "" }, ...backlogs.map(deadline)];
  keyed(line, items, (i) => i.id, () => el("span", {}), (span, item) => {
    text(span, item.words);
    span.className = item.level;
  });
}

const SOON = 120000; // about what undoing an outage takes
function deadline({ cluster, outage, left_ms, dies_at, trouble }) {
  const id = cluster;
  if (left_ms === null) return { id, words: `${cluster} metrics: no deadline (${trouble})`, level: "warn" };
  if (outage && left_ms === 0) return { id, words: `${cluster} metrics: the deadline is over`, level: "bad" };
  const s = Math.floor(left_ms / 1000);
  const two = (n) => String(n).padStart(2, "0");
  const span = `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  if (!outage) return { id, words: `${cluster} metrics would die in ${span}`, level: "" };
  return { id, words: `${cluster} metrics die in ${span}, at ${clock(Date.parse(dies_at))}`, level: left_ms <= SOON ? "bad" : "warn" };
}

const isBad = (c) => {
  const pressure = c.type.endsWith("Pressure");
  return c.status === "unknown" || c.status === (pressure ? "true" : "false");
};

function node(model, cluster, n) {
  return { ...n, cluster: cluster.name, wait: model.status.waits.find((w) => w.node === n.name && w.blocker === "running"), bad: n.conditions.filter(isBad) };
}

export function drawMap(model, show) {
  keyed($("clusters"), model.status.clusters, (c) => c.name, (c) => {
    const card = el("article", { class: "cluster", "aria-label": `cluster ${c.name}` },
      el("header", {}, el("h3", {}, c.name), el("span", { class: "word" })),
      el("div", { class: "nodes" }), el("p", { class: "parts soft" }));
    return card;
  }, (card, c) => {
    const bad = c.conditions.filter(isBad);
    const silent = bad.some((b) => b.type === "ApiServerAnswers");
    const ready = c.nodes.filter((n) => n.ready).length;
    const word = bad.length ? bad[0].reason : ready === c.nodes.length ? "ready" : `${ready} of ${c.nodes.length} ready`;
    setState(card.querySelector(".word"), word, bad.some((b) => b.status === "false") ? "bad" : bad.length ? "warn" : ready === c.nodes.length ? "good" : "none");
    keyed(card.querySelector(".nodes"), c.nodes.map((n) => node(model, c, n)), (n) => n.name,
      (n) => {
        const tile = el("button", { type: "button", class: "node" },
          el("span", { class: "name" }, n.name), el("span", { class: "role" }), el("span", { class: "agent" }),
          el("span", { class: "ready" }), el("span", { class: "doing" }), el("span", { class: "bads" }));
        tile.addEventListener("click", () => show(n.name));
        return tile;
      },
      (tile, n) => {
        text(tile.querySelector(".role"), n.role.replaceAll("_", " "));
        setState(tile.querySelector(".agent"), n.agent.state);
        setState(tile.querySelector(".ready"), n.ready ? "ready" : silent ? "unknown" : "not ready", n.ready ? "good" : "none");
        text(tile.querySelector(".doing"), n.wait ? short(n.wait.name) : n.agent.state === "connected" ? "idle" : n.agent.last_seen_ms === null ? "" : `last heard ${duration(n.agent.last_seen_ms)} ago`);
        setState(tile.querySelector(".bads"), n.bad.length ? few(n.bad.map((b) => b.type)) : n.conditions.length ? `${n.conditions.length} conditions well` : "no conditions yet", n.bad.length ? (n.bad.some((b) => b.status !== "unknown") ? "bad" : "warn") : n.conditions.length ? "good" : "none");
        tile.classList.toggle("trouble", ["lost", "suspect"].includes(n.agent.state) || n.bad.some((b) => b.status !== "unknown"));
      });
    const parts = c.components;
    const up = parts.filter((p) => p.ready).length;
    text(card.querySelector(".parts"), parts.length ? `${up} of ${parts.length} components: ${parts.map((p) => `${p.ready ? "✓" : "·"} ${p.name} ${p.version}`).join("   ")}` : "no components");
  });
}

const few = (names) => (names.length > 3 ? `${names.slice(0, 2).join(", ")} and ${names.length - 2} more` : names.join(", "));
const short = (name) => name.split(" ").slice(1).join(" ") || name;

// A node's conditions as a table, for the dialog.
export function nodeDetail(model, name) {
  const cluster = model.status.clusters.find((c) => c.nodes.some((n) => n.name === name));
  const n = cluster?.nodes.find((x) => x.name === name);
  if (!n) return el("p", {}, "The lab has no such node any more.");
  const rows = n.conditions.map((c) => el("tr", {},
    el("td", {}, c.type), el("td", {}, el("span", { class: `state ${isBad(c) ? (c.status === "unknown" ? "warn" : "bad") : "good"}` }, isBad(c) ? "✖ " : "● ", String(c.status))),
    el("td", {}, c.reason), el("td", {}, c.message), el("td", {}, clock(Date.parse(c.since)))));
  return el("div", {},
    el("p", {}, `${cluster.name}, ${n.role.replaceAll("_", " ")}; agent ${n.agent.version || "never seen"}, ${n.agent.state.replaceAll("_", " ")}`),
    el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ...["condition", "status", "reason", "message", "since"].map((h) => el("th", { scope: "col" }, h)))), el("tbody", {}, ...rows))));
}

export function drawContracts(model) {
  const known = new Map(model.status.contracts.map((c) => [c.id, c]));
  const all = Object.entries(PROMISES).map(([id, promise]) => ({ id, promise, state: "not_covered", checked_at: null, ...known.get(id) }));
  keyed($("contracts"), all, (c) => c.id, (c) => el("li", {}, el("b", {}, c.id), el("span", { class: "promise" }, c.promise), el("span", { class: "word" }), el("span", { class: "soft when" })), (li, c) => {
    setState(li.querySelector(".word"), c.state);
    text(li.querySelector(".when"), c.checked_at ? `checked ${clock(Date.parse(c.checked_at))}${c.label ? `; ${c.label}` : ""}` : "never checked");
    li.className = level(c.state);
  });
}

export function drawWaits(model) {
  const now = model.now();
  const waits = [...model.status.waits].sort((a, b) => a.since - b.since).slice(0, 40);
  keyed($("waits"), waits, (w) => w.step, (w) => el("li", {}, el("b", {}), el("span", { class: "soft" }), el("progress", { max: "1", "aria-label": "against its usual duration" }), el("p", {})), (li, w) => {
    const since = now - w.since / 1000;
    const [name, age, bar, why] = li.children;
    text(name, w.name);
    const late = w.deadline ? `, deadline ${clock(w.deadline / 1000)}` : "";
    text(age, `${duration(Math.max(0, since))} of usually ${duration(w.expected_ms)}${late}`);
    bar.value = Math.min(1, since / Math.max(1, w.expected_ms));
    bar.hidden = w.blocker !== "running";
    text(why, w.summary);
  });
  empty($("waits"), waits.length, "Nothing is waited for.");
}

export function drawReports(reports, open) {
  keyed($("reports"), reports, (r) => r.run, (r) => {
    const link = r.drill ? el("a", { href: `reports/${r.run}` }, r.drill) : el("b", {}, r.run.slice(0, 8));
    if (r.drill) link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      open(r);
    });
    const when = r.from ? `${r.from.slice(0, 10)} ${precise(Date.parse(r.from)).slice(0, 8)}, ${duration(Date.parse(r.to) - Date.parse(r.from))}` : "has no report yet";
    return el("li", {}, link, el("span", { class: "word" }), el("span", { class: "soft" }, when), el("span", { class: "soft" }, (r.contracts ?? []).filter((c) => c.verdict !== "not_covered").map((c) => `${c.id} ${c.verdict}`).join(" · ")));
  }, (li, r) => setState(li.querySelector(".word"), r.verdict ?? "unfinished"));
  empty($("reports"), reports.length, "No drill was run yet: coordinator drill list");
}

function empty(list, count, words) {
  const there = list.querySelector(".empty");
  if (count) there?.remove();
  else if (!there) list.append(el("li", { class: "empty soft" }, words));
}
