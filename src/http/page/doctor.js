// Has the machine examined when asked to, and shows what came of it: the causes first.

import { call, say, sentence } from "./api.js";

const PLACES = {
  here: "On this machine",
  host: "On the host",
  firmware: "In the firmware",
  tv: "At the TV",
  network: "In the network",
};

function line(kind, text, className) {
  const node = document.createElement(kind);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}

function cause(entry) {
  const node = document.createElement("section");
  node.className = `cause ${entry.verdict}`;
  node.append(line("h3", sentence(entry.says)));
  for (const fix of entry.fixes ?? []) {
    node.append(line("p", `${PLACES[fix.place] ?? fix.place}: ${fix.words}`));
    if (fix.commands) node.append(line("pre", fix.commands.join("\n")));
  }
  return node;
}

function check(entry, report) {
  const node = document.createElement("li");
  node.className = `check ${entry.because ? "follows" : entry.verdict}`;
  const cause = report.checks.find((other) => other.id === entry.because);
  const says = cause ? `See “${cause.question}”` : entry.says;
  node.append(line("strong", entry.question), line("span", says));
  node.title = (entry.evidence ?? []).join("\n");
  return node;
}

export class Doctor {
  constructor({ button, panel, report }) {
    this.button = button;
    this.panel = panel;
    this.report = report;
    button.addEventListener("click", () => this.examine());
  }

  async examine() {
    this.button.disabled = true;
    say(this.button, "Examining…");
    try {
      const response = await call("GET", "/doctor");
      this.show(await response.json());
    } catch (error) {
      this.report(error);
    } finally {
      this.button.disabled = false;
      say(this.button, "Examine this machine");
    }
  }

  show(report) {
    const causes = report.checks.filter((entry) => report.causes.includes(entry.id));
    causes.sort((one, other) => report.causes.indexOf(one.id) - report.causes.indexOf(other.id));
    const all = document.createElement("details");
    const list = document.createElement("ul");
    list.append(...report.checks.map((entry) => check(entry, report)));
    all.append(line("summary", `All ${report.checks.length} checks`), list);
    const heading = line("h2", causes.length ? "What to see to" : "All is well");
    this.panel.replaceChildren(heading, ...causes.map(cause), all);
    this.panel.hidden = false;
    this.panel.focus();
  }

  hide() {
    this.panel.hidden = true;
  }
}
