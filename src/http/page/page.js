// Shows what the control API says, and asks it for what the buttons say. No state of its own but the
// token, which lives as long as the tab.

import { ApiError, TOKEN, call, repeat, say, sentence } from "./api.js";
import { Doctor } from "./doctor.js";
import { Card } from "./session.js";

const STATUS_EVERY = 2000;
const HEALTH_EVERY = 15000;
const DEVICES_EVERY = 10000;

const element = (id) => document.getElementById(id);

const cards = new Map();

function show(status) {
  const seen = new Set();
  // The newest first: it is what one has just started.
  for (const [at, session] of [...status.sessions].reverse().entries()) {
    seen.add(session.session_id);
    let card = cards.get(session.session_id);
    if (!card) {
      card = new Card({ changed: refreshStatus, report });
      cards.set(session.session_id, card);
    }
    card.update(session);
    const list = element("sessions");
    if (list.children[at] !== card.node) list.insertBefore(card.node, list.children[at] ?? null);
  }
  for (const [id, card] of cards) {
    if (seen.has(id)) continue;
    card.remove();
    cards.delete(id);
  }
  element("empty").hidden = seen.size > 0;
  element("desk").hidden = false;
  element("desk").classList.remove("stale");
  if (element("health").hidden) {
    refreshHealth();
    refreshDevices();
  }
  element("sign-in").hidden = true;
  element("sign-out").hidden = !sessionStorage.getItem(TOKEN);
  element("examine").hidden = false;
}

function report(error) {
  if (error.status === 401) {
    askForToken();
  } else if (error instanceof ApiError) {
    say(element("trouble"), error.words);
  } else {
    say(element("trouble"), "The service cannot be reached. Trying again…");
    // What is shown was true some time ago.
    element("desk").classList.add("stale");
    for (const id of ["health", "empty"]) element(id).hidden = true;
  }
}

function askForToken() {
  const wrong = sessionStorage.getItem(TOKEN) !== null;
  sessionStorage.removeItem(TOKEN);
  for (const card of cards.values()) card.remove();
  cards.clear();
  say(element("trouble"), "");
  for (const id of ["desk", "health", "problems", "sign-out", "examine"]) element(id).hidden = true;
  doctor.hide();
  if (wrong) say(element("sign-in-error"), "That is not the token of this service.");
  if (element("sign-in").hidden) {
    element("sign-in").hidden = false;
    element("token").focus();
  }
}

const doctor = new Doctor({
  button: element("examine"),
  panel: element("examination"),
  report,
});

const signedOut = () => !element("sign-in").hidden;

const refreshStatus = repeat(STATUS_EVERY, async () => {
  if (signedOut()) return;
  try {
    const response = await call("GET", "/status");
    show(await response.json());
    say(element("trouble"), "");
  } catch (error) {
    report(error);
  }
});

const refreshHealth = repeat(HEALTH_EVERY, async () => {
  if (signedOut()) return;
  try {
    const response = await call("GET", "/health");
    const health = await response.json();
    const node = element("health");
    const { encoder, reason } = health.hardware_acceleration;
    const healthy = health.status === "healthy";
    node.classList.toggle("degraded", !healthy);
    node.title = reason ?? "";
    say(node, `${healthy ? "Ready" : "Degraded"}, ${encoder ?? "no encoder"}`);
    say(element("problems"), health.problems.map(sentence).join("\n"));
  } catch {
    // The status says why, more often and louder.
    element("health").hidden = true;
  }
});

// What a person has chosen, until then `undefined`: the service's default.
let wanted;
element("device").addEventListener("change", (event) => {
  wanted = event.target.value;
});

function offer(devices) {
  const select = element("device");
  const chosen = wanted ?? devices.find((device) => device.default)?.id ?? "none";
  const options = devices.map((device) => new Option(device.name, device.id));
  // A TV that was chosen and is not there now is not to become none without a word.
  if (wanted && wanted !== "none" && !devices.some((device) => device.id === wanted)) {
    const gone = [...select.options].find((option) => option.value === wanted);
    options.push(new Option(gone?.text ?? wanted, wanted));
  }
  const same = options.length === select.options.length - 1
    && options.every((option, at) => {
      const old = select.options[at + 1];
      return old.value === option.value && old.text === option.text;
    });
  element("device-field").hidden = options.length === 0;
  // An open list is not to be taken from under the pointer.
  if (same) return;
  select.replaceChildren(select.options[0], ...options);
  select.value = chosen;
}

const refreshDevices = repeat(DEVICES_EVERY, async () => {
  if (signedOut()) return;
  try {
    const response = await call("GET", "/devices");
    offer((await response.json()).devices);
  } catch {
    // The status says why, more often and louder.
  }
});

element("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN, element("token").value.trim());
  element("token").value = "";
  say(element("sign-in-error"), "");
  element("sign-in").hidden = true;
  refreshStatus();
  refreshHealth();
  refreshDevices();
});

element("sign-out").addEventListener("click", () => {
  sessionStorage.removeItem(TOKEN);
  askForToken();
});

element("start").addEventListener("submit", async (event) => {
  event.preventDefault();
  const url = element("url");
  const button = event.submitter ?? event.target.querySelector("button");
  const typed = url.value.trim();
  const refuse = (text) => {
    url.setAttribute("aria-invalid", "true");
    say(element("start-error"), text);
    url.focus();
  };
  if (!typed) return refuse("Give the address of a page.");
  url.removeAttribute("aria-invalid");
  say(element("start-error"), "");
  button.disabled = true;
  button.textContent = "Starting…";
  try {
    await call("POST", "/start", {
      url: /^[a-z][a-z0-9+.-]*:\/\//i.test(typed) ? typed : `http://${typed}`,
      quality: element("quality").value || undefined,
      zoom: Number(element("zoom").value),
      device: wanted,
    });
    url.value = "";
  } catch (error) {
    if (error instanceof ApiError && error.status !== 401) refuse(error.words);
    else report(error);
  } finally {
    button.disabled = false;
    button.textContent = "Start";
  }
  refreshStatus();
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) for (const card of cards.values()) card.catchUp();
});
