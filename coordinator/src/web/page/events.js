// The event list: newest first, at most LINES of them in the page, all kept ones behind the filter.
import { $, el, precise, text } from "./dom.js";
import { parseFilter } from "./model.js";

const LINES = 300;
const ORDER = ["debug", "info", "warning", "error"];
const SIGN = { debug: "·", info: "i", warning: "▲", error: "✖" };

export class Events {
  constructor(model, show) {
    this.model = model;
    this.list = $("list");
    this.held = false;
    this.drawn = 0; // serial of the newest event that was considered
    this.fits = () => true;
    for (const id of ["filter", "severity", "class"]) $(id).addEventListener("input", () => this.reset());
    $("hold").addEventListener("click", () => {
      this.held = !this.held;
      $("hold").setAttribute("aria-pressed", String(this.held));
      text($("hold"), this.held ? "Go on" : "Hold");
    });
    this.list.addEventListener("click", (event) => {
      const line = event.target.closest(".event");
      if (line) show(this.model.events.find((e) => e.serial === Number(line.dataset.serial)));
    });
    this.reset();
  }

  reset() {
    const words = parseFilter($("filter").value);
    const from = Number($("severity").value);
    const of = $("class").value;
    // What tells of missing events is shown whatever is asked for: it could hide what was wanted.
    this.fits = (e) => e.note || (ORDER.indexOf(e.severity) >= from && (!of || e.class === of) && words(e));
    this.drawn = 0;
    this.list.replaceChildren();
    const held = this.held;
    this.held = false;
    this.draw();
    this.held = held;
  }

  draw() {
    const { events } = this.model;
    const newest = events.at(-1)?.serial ?? 0;
    if (this.held) return text($("count"), `held; ${newest - this.drawn} new`);
    const fresh = [];
    for (let i = events.length - 1; i >= 0 && events[i].serial > this.drawn && fresh.length < LINES; i--) {
      if (this.fits(events[i])) fresh.push(line(events[i]));
    }
    this.drawn = newest;
    const reading = this.list.scrollTop > 0;
    const before = this.list.scrollHeight;
    this.list.prepend(...fresh);
    while (this.list.childElementCount > LINES) this.list.lastElementChild.remove();
    // Whoever has scrolled down keeps what they read under their eyes.
    if (reading && fresh.length) this.list.scrollTop += this.list.scrollHeight - before;
    const mark = this.model.bookmark;
    text($("count"), `${this.list.childElementCount} shown of ${events.length} kept · revision ${this.model.revision}${mark ? ` · bookmark ${mark}` : ""}`);
  }
}

function line(e) {
  return el("li", {},
    el("button", { type: "button", class: `event ${e.severity}${e.note ? " note" : ""}`, "data-serial": String(e.serial) },
      el("time", { datetime: e.time ?? "" }, precise(e.at)),
      el("span", { class: "sev", title: e.severity, "aria-label": e.severity }, SIGN[e.severity] ?? "·"),
      el("span", { class: "where" }, e.node ?? e.cluster ?? "—"),
      el("span", { class: "kind" }, e.kind),
      el("span", { class: "msg" }, e.message)));
}

export function eventDetail(e) {
  const { at, serial, note, ...shown } = e;
  return el("pre", {}, JSON.stringify(shown, null, 2));
}
