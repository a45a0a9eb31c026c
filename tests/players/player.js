// Plays ?url= with ?player= (hls.js or shaka) as it comes, with the library's own settings, and keeps
// what a viewer would notice in `window.report`.

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

function library(src) {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = src;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`loading ${src}`));
    document.head.append(script);
  });
}

// Each starts playing and returns a function that says when the picture on show was taken.
const players = {
  'hls.js': async (url) => {
    await library('node_modules/hls.js/dist/hls.min.js');
    const hls = new Hls();
    hls.on(Hls.Events.ERROR, (_, { type, details, fatal }) => {
      failed('hls.js', `${type} ${details}${fatal ? ' (fatal)' : ''}`);
    });
    hls.loadSource(url);
    hls.attachMedia(video);
    return () => hls.playingDate;
  },
  shaka: async (url) => {
    await library('node_modules/shaka-player/dist/shaka-player.compiled.js');
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    await player.attach(video);
    player.addEventListener('error', ({ detail }) => failed('shaka', `${detail.code} ${detail.data}`));
    await player.load(url);
    return () => player.getPlayheadTimeAsDate();
  },
};

async function main() {
  const started = performance.now();
  const age = () => (performance.now() - started) / 1000;
  let running = false;
  video.addEventListener('error', () => failed('video', video.error.message));
  video.addEventListener('playing', () => { running = true; });
  video.addEventListener('waiting', () => { if (running) report.stalls.push(age()); });

  const takenAt = await players[query.get('player')](query.get('url'));
  setInterval(() => {
    const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
    const date = running ? takenAt() : null;
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
