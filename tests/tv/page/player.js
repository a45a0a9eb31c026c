// The Default Media Receiver's page: plays what the TV says, with ?player= of the libraries, in the
// page's <video>. `window.player` is for the TV; what happens by itself is told through `tell`, which
// the TV puts into the page.

import { Failure, libraries } from '/players/libraries.js';

const ERRORS_KEPT = 50;
const STALLS_KEPT = 50;
const REFUSALS_KEPT = 50;

const library = libraries[new URLSearchParams(location.search).get('player')];
const video = document.getElementById('video');

let playing = null;
let loading = false;
// Counts loads and unloads: a load that took long must not come back over a later one.
let turn = 0;
// Of what is loaded: whether it has run, when it stopped for want of data, seconds of each such stop.
let ran = false;
let stalledAt = null;
let stalls = [];
const errors = [];
// What a server had no good answer to, by whoever asked for it. Players try again and say nothing.
const refusals = [];
new PerformanceObserver((list) => {
  for (const { responseStatus, name } of list.getEntries()) {
    if (responseStatus >= 400) refusals.push(`${responseStatus} ${name}`);
    if (refusals.length > REFUSALS_KEPT) refusals.shift();
  }
}).observe({ type: 'resource', buffered: true });

function state() {
  const ranges = video.seekable;
  const now = () => {
    if (loading) return 'LOADING';
    if (video.ended) return 'ENDED';
    if (video.paused) return 'PAUSED';
    if (video.seeking || video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA) return 'BUFFERING';
    return 'PLAYING';
  };
  return {
    state: now(),
    position: video.currentTime,
    seekable: ranges.length ? { start: ranges.start(0), end: ranges.end(ranges.length - 1) } : null,
    duration: Number.isFinite(video.duration) ? video.duration : null,
  };
}

const told = (what) => tell(JSON.stringify(what));

function failed({ kind = 'other', message, fatal = true }) {
  errors.push(`${kind}: ${message}`);
  if (errors.length > ERRORS_KEPT) errors.shift();
  // While loading, the one who asked gets it as the answer.
  if (fatal && !loading) told({ failure: { kind } });
}

const seconds = () => performance.now() / 1000;

for (const event of ['playing', 'pause', 'waiting', 'seeking', 'seeked', 'ended']) {
  video.addEventListener(event, () => { if (playing && !loading) told(state()); });
}
video.addEventListener('playing', () => {
  if (stalledAt !== null) stalls = [...stalls, seconds() - stalledAt].slice(-STALLS_KEPT);
  stalledAt = null;
  ran = true;
});
video.addEventListener('waiting', () => { if (ran) stalledAt ??= seconds(); });

// The video without a library.
const bare = {
  load: (url, at) => new Promise((resolve, reject) => {
    video.src = url;
    if (at !== undefined) video.currentTime = at;
    video.addEventListener('loadedmetadata', resolve, { once: true });
    video.addEventListener('error', () => reject(new Failure('unsupported', video.error.message)), {
      once: true,
    });
  }),
  takenAt: () => null,
  close: async () => {
    video.removeAttribute('src');
    video.load();
  },
};
video.addEventListener('error', () => {
  // Shaka and hls.js see errors of the video they hold themselves.
  if (playing === bare && !loading) failed(new Failure('decode', video.error.message));
});

async function unload() {
  turn += 1;
  const old = playing;
  playing = null;
  loading = false;
  ran = false;
  stalledAt = null;
  stalls = [];
  await old?.close();
}

// Comes to a failure's { kind }, or null.
async function load({ url, hls, at, autoplay }) {
  await unload();
  const mine = turn;
  const ours = () => turn === mine;
  loading = true;
  try {
    const player = hls ? await library(video, (failure) => { if (ours()) failed(failure); }) : bare;
    if (!ours()) return null;
    playing = player;
    await player.load(url, at ?? undefined);
  } catch (failure) {
    if (!ours()) return null;
    failed(failure);
    await unload();
    return { kind: failure.kind ?? 'other' };
  }
  if (!ours()) return null;
  loading = false;
  // The promise is for a picture, which may take long to come or never do; the events tell.
  if (autoplay) video.play().catch(() => {});
  return null;
}

function stats() {
  const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
  const { buffered, currentTime } = video;
  const taken = ran ? playing?.takenAt() : null;
  const ahead = [...Array(buffered.length).keys()]
    .filter((range) => buffered.start(range) <= currentTime && currentTime <= buffered.end(range))
    .map((range) => buffered.end(range) - currentTime);
  return {
    state: playing ? state().state : 'IDLE',
    position: currentTime,
    decoded: totalVideoFrames,
    dropped: droppedVideoFrames,
    lag: taken ? (Date.now() - taken.getTime()) / 1000 : null,
    buffer: ahead[0] ?? 0,
    stalls: stalledAt === null ? stalls : [...stalls, seconds() - stalledAt],
    errors,
    refusals,
  };
}

window.player = {
  load,
  unload,
  state,
  stats,
  play: () => { video.play().catch(() => {}); return state(); },
  pause: () => { video.pause(); return state(); },
  seek: (position) => { video.currentTime = position; },
};
