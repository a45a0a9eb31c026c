// Plays ?url= with ?player= (a name in libraries.js) as it comes, and keeps what a viewer would notice
// in `window.report`.

import { libraries } from './libraries.js';

const query = new URLSearchParams(location.search);
const video = document.getElementById('video');

const report = {
  // Each as "where: what".
  errors: [],
  // When the picture stopped for want of data after it had once run, in seconds since start.
  stalls: [],
  // One each second: seconds since start, media seconds, frames decoded and dropped, and seconds
  // between the picture's EXT-X-PROGRAM-DATE-TIME and now, or null while that is unknown.
  samples: [],
};
window.report = report;

const failed = (where, what) => report.errors.push(`${where}: ${what}`);

async function main() {
  const started = performance.now();
  const age = () => (performance.now() - started) / 1000;
  let running = false;
  video.addEventListener('error', () => failed('video', video.error.message));
  video.addEventListener('playing', () => { running = true; });
  video.addEventListener('waiting', () => { if (running) report.stalls.push(age()); });

  const name = query.get('player');
  const player = await libraries[name](video, ({ message }) => failed(name, message));
  await player.load(query.get('url'));
  setInterval(() => {
    const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
    const date = running ? player.takenAt() : null;
    report.samples.push({
      at: age(),
      media: video.currentTime,
      decoded: totalVideoFrames,
      dropped: droppedVideoFrames,
      lag: date ? (Date.now() - date.getTime()) / 1000 : null,
    });
  }, 1000);
  await video.play();
}

main().catch((error) => failed('page', error.message ?? String(error)));
