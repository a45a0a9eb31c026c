// The players that receivers are made of, each behind the same words and with the library's own
// settings.
//
// `libraries[name](video, onError)` makes a player:
//   load(url, at)  starts playing, at a position if one is given; resolves when the library says that
//                  it has loaded, rejects with a Failure
//   takenAt()      when the picture on show was taken, a Date, by EXT-X-PROGRAM-DATE-TIME; null while
//                  that is unknown
//   close()        lets go of the video
// `onError` gets each Failure that comes later.

// What went wrong. `kind` is playlist or segment (could not be fetched), manifest (not understood),
// unsupported, decode or other; after a fatal one the player has given up.
export class Failure extends Error {
  constructor(kind, what, fatal = true) {
    super(what);
    Object.assign(this, { kind, fatal });
  }
}

const HLS = 'application/vnd.apple.mpegurl';

function script(path) {
  const src = new URL(`node_modules/${path}`, import.meta.url).href;
  return new Promise((resolve, reject) => {
    const element = document.createElement('script');
    element.src = src;
    element.onload = resolve;
    element.onerror = () => reject(new Failure('other', `loading ${src}`));
    document.head.append(element);
  });
}

async function hlsJs(video, onError) {
  await script('hls.js/dist/hls.min.js');
  const hls = new Hls();
  const kinds = [
    [/^(manifest|level)Load/, 'playlist'],
    [/^fragLoad/, 'segment'],
    [/^manifestIncompatibleCodecs/, 'unsupported'],
    [/^(manifest|level)/, 'manifest'],
    [/^(frag|buffer)/, 'decode'],
  ];
  const failure = ({ type, details, fatal }) => {
    const [, kind] = kinds.find(([pattern]) => pattern.test(details)) ?? [null, 'other'];
    return new Failure(kind, `${type} ${details}${fatal ? ' (fatal)' : ''}`, fatal);
  };
  let loading = false;
  hls.on(Hls.Events.ERROR, (_, data) => {
    if (!(loading && data.fatal)) onError(failure(data));
  });
  return {
    load: (url, at) => new Promise((resolve, reject) => {
      loading = true;
      hls.once(Hls.Events.MANIFEST_PARSED, () => { loading = false; resolve(); });
      hls.on(Hls.Events.ERROR, (_, data) => { if (data.fatal) reject(failure(data)); });
      if (at !== undefined) hls.config.startPosition = at;
      hls.loadSource(url);
      hls.attachMedia(video);
    }),
    takenAt: () => hls.playingDate,
    close: async () => hls.destroy(),
  };
}

// The packages are of one name in different versions, so each goes by the name it has in package.json.
const shakaPlayer = (name) => async (video, onError) => {
  await script(`${name}/dist/shaka-player.compiled.js`);
  shaka.polyfill.installAll();
  const { Category, Code, Severity } = shaka.util.Error;
  const { SEGMENT } = shaka.net.NetworkingEngine.RequestType;
  const failure = (error) => {
    const { category, code, data, severity } = error;
    // Shaka hands on what its own code throws as well.
    if (code === undefined) return new Failure('other', error.stack ?? String(error), false);
    const kinds = new Map([
      [Category.NETWORK, (data ?? []).includes(SEGMENT) ? 'segment' : 'playlist'],
      [Category.MEDIA, 'decode'],
      [Category.MANIFEST, code === Code.CONTENT_UNSUPPORTED_BY_BROWSER ? 'unsupported' : 'manifest'],
    ]);
    return new Failure(kinds.get(category) ?? 'other', `${code} ${data}`, severity === Severity.CRITICAL);
  };
  const player = new shaka.Player();
  await player.attach(video);
  player.addEventListener('error', ({ detail }) => onError(failure(detail)));
  return {
    load: async (url, at) => {
      try {
        await player.load(url, at, HLS);
      } catch (error) {
        throw error.category ? failure(error) : error;
      }
    },
    // Not getPlayheadTimeAsDate: that knows no time after where Shaka would have begun by itself.
    takenAt: () => {
      const start = player.getPresentationStartTimeAsDate();
      return start && new Date(start.getTime() + video.currentTime * 1000);
    },
    close: () => player.destroy(),
  };
};

export const libraries = {
  'hls.js': hlsJs,
  'shaka-4.3': shakaPlayer('shaka-player-4.3'),
  'shaka-4.15': shakaPlayer('shaka-player-4.15'),
  'shaka-5.2': shakaPlayer('shaka-player-5.2'),
};
