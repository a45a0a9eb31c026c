// One session: its picture, its player, its facts and its buttons.

import { call, repeat, say, sentence } from "./api.js";

const PICTURE_EVERY = 4000;
const HLS = "application/vnd.apple.mpegurl";
// An endless stream that is further behind than this jumps to its end.
const LATEST_SECONDS = 3;

const WORDS = {
  starting: ["Starting", "busy"],
  live: ["Live", "good"],
  recovering: ["Recovering", "busy"],
  yielded: ["Yielded", "calm"],
  stopping: ["Stopping", "busy"],
  ended: ["Ended", "calm"],
};

const ON_TV = {
  confirmed: "showing",
  "covered-suspected": "perhaps covered",
  "taken-over": "left to people",
  "tv-off": "off",
  broken: "trouble",
  unknown: "connecting",
};

export class Card {
  #session;
  #picture;
  #video;
  #onScreen = false;
  #asked = false;
  #end = new AbortController();

  // `changed` is called when the list of sessions is another, `report` with what went wrong.
  constructor({ changed, report }) {
    this.node = document.getElementById("session").content.firstElementChild.cloneNode(true);
    this.part = (name) => this.node.querySelector(`.${name}`);
    this.part("play").addEventListener("click", () => this.#play());
    this.part("watch").addEventListener("click", () => (this.#video ? this.#leave() : this.#play()));
    this.part("stop").addEventListener("click", () => this.#stop(changed, report));
    for (const input of this.node.querySelectorAll("input")) {
      input.addEventListener("focus", () => input.select());
    }
    this.refreshPicture = repeat(PICTURE_EVERY, () => this.#takePicture(), this.#end.signal);
    const observer = new IntersectionObserver((entries) => {
      this.#onScreen = entries.at(-1).isIntersecting;
      if (this.#onScreen) this.refreshPicture();
    });
    observer.observe(this.node);
    this.#end.signal.addEventListener("abort", () => observer.disconnect());
  }

  update(session) {
    this.#session = session;
    const [word, mood] = WORDS[session.state] ?? [session.state, "calm"];
    const title = session.page.title || hostOf(session.url);
    this.node.dataset.mood = mood;
    say(this.part("state-word"), session.state_detail ? `${word}: ${session.state_detail}` : word);
    say(this.part("title"), title);
    this.node.setAttribute("aria-label", title);
    say(this.part("play-label"), `Play ${title}`);
    this.part("stop").setAttribute("aria-label", `Stop ${title}`);
    const address = this.part("address");
    say(address, session.url);
    if (/^https?:/.test(session.url)) address.href = session.url;
    say(this.part("problem"), trouble(session));
    this.#fill(facts(session));
    for (const [name, value] of Object.entries(session.media)) {
      // Setting it again would undo what a person has selected.
      const input = this.part(name);
      if (input && input.value !== value) input.value = value;
    }
    const ended = session.state === "ended";
    if (ended) this.part("preview").hidden = true;
    const playable = Boolean(session.video) && !ended;
    this.part("play").hidden = !playable || Boolean(this.#video);
    this.part("watch").disabled = !playable && !this.#video;
    this.#note();
  }

  remove() {
    this.#end.abort();
    this.#leave();
    this.node.remove();
    if (this.#picture) URL.revokeObjectURL(this.#picture);
    this.#session = null;
  }

  #fill(rows) {
    const list = this.part("facts");
    while (list.childElementCount > rows.length) list.lastElementChild.remove();
    while (list.childElementCount < rows.length) {
      const row = list.appendChild(document.createElement("div"));
      row.append(document.createElement("dt"), document.createElement("dd"));
    }
    rows.forEach(([name, value], at) => {
      say(list.children[at].firstElementChild, name);
      say(list.children[at].lastElementChild, value);
    });
  }

  #note() {
    const shown = this.#video || !this.part("preview").hidden;
    const missing = this.#asked ? "No picture yet" : "";
    say(this.part("screen-note"), shown ? "" : this.#session.state === "ended" ? "Ended" : missing);
  }

  async #takePicture() {
    const session = this.#session;
    if (!session || this.#video || !this.#onScreen || session.state === "ended") return;
    const preview = this.part("preview");
    let next;
    try {
      const response = await call("GET", `/sessions/${encodeURIComponent(session.session_id)}/snapshot.png`);
      next = URL.createObjectURL(await response.blob());
      // Swapped only when it can be drawn, so that nothing flickers.
      const image = new Image();
      image.src = next;
      await image.decode();
      preview.src = next;
      preview.alt = `What is on the stream of ${this.part("title").textContent} now`;
      preview.hidden = false;
    } catch {
      // The last picture would claim to be the present one.
      preview.hidden = true;
    }
    if (this.#picture) URL.revokeObjectURL(this.#picture);
    this.#picture = next;
    this.#asked = true;
    if (this.#session) this.#note();
    else if (next) URL.revokeObjectURL(next);
  }

  #play() {
    this.#leave();
    const video = document.createElement("video");
    // Addresses are given for players elsewhere; from here the same server has the same path.
    const path = (address) => new URL(address).pathname;
    const sources = [path(this.#session.media.fmp4)];
    if (video.canPlayType(HLS)) sources.unshift(path(this.#session.media.hls));
    Object.assign(video, { muted: true, autoplay: true, controls: true, playsInline: true });
    video.setAttribute("aria-label", this.part("title").textContent);
    video.addEventListener("error", () => {
      if (this.#video !== video) return;
      sources.shift();
      if (sources.length > 0) {
        video.src = sources[0];
        return;
      }
      const why = video.error?.message || "this browser cannot play the stream";
      this.#leave();
      say(this.part("player-error"), `Playing stopped: ${why}`);
    });
    video.addEventListener("ended", () => {
      if (this.#video !== video) return;
      this.#leave();
      say(this.part("player-error"), "The stream ended.");
    });
    video.addEventListener("play", () => catchUp(video));
    this.#video = video;
    video.src = sources[0];
    this.part("screen").append(video);
    this.part("play").hidden = true;
    say(this.part("watch"), "Close player");
    this.part("watch").focus();
    this.#note();
    // Autoplay refused: the controls are there.
    video.play().catch(() => {});
  }

  #leave() {
    say(this.part("player-error"), "");
    const video = this.#video;
    if (!video) return;
    this.#video = null;
    video.removeAttribute("src");
    video.load();
    video.remove();
    this.part("play").hidden = false;
    say(this.part("watch"), "Play");
    this.#note();
    this.refreshPicture();
  }

  catchUp() {
    if (this.#video && !this.#video.paused) catchUp(this.#video);
  }

  async #stop(changed, report) {
    const button = this.part("stop");
    button.disabled = true;
    try {
      await call("DELETE", `/sessions/${encodeURIComponent(this.#session.session_id)}`);
    } catch (error) {
      // Gone already is what was wanted.
      if (error.status !== 404) report(error);
    }
    button.disabled = false;
    changed();
  }
}

// A player of HLS finds the newest picture by itself; one of an endless file stays where it was.
function catchUp(video) {
  const { buffered } = video;
  if (buffered.length === 0 || !video.src.endsWith(".mp4")) return;
  const end = buffered.end(buffered.length - 1);
  if (end - video.currentTime > LATEST_SECONDS) video.currentTime = end - 0.5;
}

function hostOf(url) {
  try {
    return new URL(url).host || url;
  } catch {
    return url;
  }
}

// The first thing that is wrong on the way from the page to the TV.
function trouble({ page, cast }) {
  if (page.problem) return sentence(page.problem);
  if (!cast || cast.verdict === "confirmed" || cast.verdict === "unknown") return "";
  return sentence(cast.why);
}

function facts(session) {
  const rows = [];
  const { device, cast } = session;
  if (device) rows.push(["TV", `${device.name}: ${ON_TV[cast?.verdict] ?? cast?.verdict}`]);
  const { video, page } = session;
  if (video) {
    rows.push(["Picture", `${video.size.width} × ${video.size.height}`]);
    rows.push(["Encoder", video.encoder]);
    const megabits = Math.round(video.bit_rate / 100000) / 10;
    // No number is parted from its unit.
    rows.push(["At most", `${video.frame_rate}\u00a0frames/s, ${megabits}\u00a0Mbit/s`]);
    const { sent } = video;
    if (sent) {
      const kilobits = Math.round(sent.bit_rate / 1000);
      rows.push(["Now", `${sent.frame_rate}\u00a0frames/s, ${kilobits}\u00a0kbit/s`]);
    }
  } else {
    rows.push(["Quality", session.quality]);
  }
  rows.push(["Started", since(new Date(session.started_at))]);
  if (page.reloads > 0) rows.push(["Page reloaded", times(page.reloads)]);
  if (video?.discontinuities > 0) rows.push(["Encoder restarted", times(video.discontinuities)]);
  return rows;
}

const times = (count) => (count === 1 ? "once" : `${count} times`);

function since(date) {
  const seconds = Math.max(0, (Date.now() - date) / 1000);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return date.toLocaleDateString(undefined, { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });
}
