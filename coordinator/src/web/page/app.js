// The page: one stream in, at most one drawing per animation frame out.
import { $, clock, el, text } from "./dom.js";
import { eventDetail, Events } from "./events.js";
import { drawContracts, drawDrill, drawHead, drawMap, drawReports, drawWaits, nodeDetail } from "./lab.js";
import { Model } from "./model.js";
import { stepDetail, Timeline } from "./timeline.js";

const SILENCE = 5000; // without a word for so long the stream counts as lost; the status comes every second
const LONG_PAST = 20000; // revisions; six nodes make as many samples in under five hours
const RETRY = [500, 1000, 2000, 3000];

const model = new Model();
const events = new Events(model, (e) => e && show(`${e.kind} · revision ${e.revision ?? "none"}`, () => eventDetail(e)));
const timeline = new Timeline(model, (step) => show(step.name || step.id, () => stepDetail(model, step)));

let stream = null;
let cursor = null; // id of the last record that was taken in
let past = ""; // while nothing was taken in yet: what is asked for of the past
let heard = 0;
let failures = 0;
let retry = 0;
let dirty = true;

// The dialog: details, and reports in a frame.
function show(title, body) {
  text($("detail-h"), title);
  $("detail-body").replaceChildren(body());
  $("detail").showModal();
}
$("close").addEventListener("click", () => $("detail").close());
$("detail").addEventListener("click", (event) => event.target === $("detail") && $("detail").close());

function report(r) {
  show(`Drill ${r.drill}`, () => el("div", {}, el("p", {}, el("a", { href: `reports/${r.run}`, target: "_blank", rel: "noopener noreferrer" }, "Open it alone")), el("iframe", { src: `reports/${r.run}`, sandbox: "", title: `report of the drill ${r.drill}` })));
}

let reportsDue = 0;
async function reports() {
  const answer = await fetch("reports").catch(() => null);
  if (answer?.ok) drawReports(await answer.json(), report);
}

// From nothing: the snapshot, then the stream from where the latest run begins.
async function begin(why) {
  const answer = await fetch("snapshot").catch(() => null);
  if (!answer?.ok) return lost();
  const snapshot = await answer.json();
  model.clear();
  model.log = snapshot.log;
  model.takeStatus(snapshot);
  cursor = `${snapshot.log.id}-${snapshot.log.from}`;
  model.revision = snapshot.log.from;
  // A long past is nearly all samples.
  past = snapshot.log.head - snapshot.log.from > LONG_PAST ? "&past=without-samples" : "";
  if (snapshot.log.from + 1 > snapshot.log.oldest) model.takeNote("begin", "info", `earlier events: coordinator events (this page begins behind revision ${snapshot.log.from})`);
  if (why) model.takeNote("log_reset", "warning", why);
  events.reset();
  reports();
  follow();
}

function follow() {
  stream?.close();
  heard = Date.now();
  stream = new EventSource(`events?after=${cursor}${past}`);
  const on = (name, take) => stream.addEventListener(name, (event) => {
    heard = Date.now();
    if (event.lastEventId) {
      cursor = event.lastEventId;
      past = "";
    }
    take(JSON.parse(event.data));
    dirty = true;
  });
  on("status", (status) => {
    failures = 0;
    $("lost").hidden = true;
    document.body.classList.remove("stale");
    model.takeStatus(status);
  });
  on("entry", (entry) => {
    model.takeEntry(entry);
    if (entry.class === "drill") reportsDue = Date.now() + 2000;
  });
  on("gap", (gap) => model.takeNote("gap", "warning", `events of ${gap.node} are missing: ${gap.seq_from} to ${gap.seq_to ?? "nobody knows"}; ${gap.cause}`, gap.entry));
  on("bookmark", (mark) => {
    model.bookmark = mark.revision;
  });
  on("compacted", ({ oldest }) => {
    model.takeNote("compacted", "warning", `revisions before ${oldest} are no longer kept; going on from there`);
    model.revision = Math.max(model.revision, oldest - 1);
    cursor = `${model.log.id}-${oldest - 1}`;
    follow();
  });
  on("too_slow", ({ last }) => {
    model.takeNote("too_slow", "warning", `this page was too slow and is let in again behind revision ${last}`);
    follow();
  });
  on("log_reset", () => {
    stream.close();
    begin("the coordinator has another log now; everything begins anew");
  });
  on("failure", ({ message }) => model.takeNote("failure", "error", `the log cannot be read: ${message}`));
  stream.addEventListener("error", () => lost());
}

// Says since when nothing is heard, and tries again by itself.
function lost() {
  stream?.close();
  stream = null;
  if ($("lost").hidden) {
    const at = model.status ? ` Showing the state of ${clock(model.now() - (Date.now() - heard))} UTC.` : "";
    text($("lost"), `Connection lost.${at} Trying again by itself.`);
    $("lost").hidden = false;
    document.body.classList.add("stale");
  }
  clearTimeout(retry);
  retry = setTimeout(() => (cursor ? follow() : begin()), RETRY[Math.min(failures++, RETRY.length - 1)]);
  dirty = true;
}

function draw() {
  dirty = false;
  const live = stream && $("lost").hidden;
  const link = $("link");
  link.className = `link ${live ? "good" : "bad"}`;
  text(link, live ? "● live" : "✖ not connected");
  if (!model.status) return;
  if (model.statusIsNew) {
    model.statusIsNew = false;
    drawHead(model);
    drawDrill(model);
    drawMap(model, (name) => show(name, () => nodeDetail(model, name)));
    drawContracts(model);
    drawWaits(model);
  }
  timeline.draw();
  events.draw();
  document.body.dataset.revision = String(model.revision);
}

function frame() {
  if (dirty) draw();
  requestAnimationFrame(frame);
}

setInterval(() => {
  if (stream && Date.now() - heard > SILENCE) lost();
  if (reportsDue && Date.now() > reportsDue) {
    reportsDue = 0;
    reports();
  }
  // Time goes on in bars and waits also when nothing happens.
  if ($("lost").hidden) dirty = true;
}, 1000);

begin();
requestAnimationFrame(frame);
