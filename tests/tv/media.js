// The media channel of the Default Media Receiver: what is loaded, and what it does.
//
// Everything that is said of the player comes from the <video> on the screen.

import { EventEmitter } from 'node:events';

export const MEDIA = 'urn:x-cast:com.google.cast.media';

// PAUSE and SEEK.
const COMMANDS = 3;
const HLS_TYPES = ['application/vnd.apple.mpegurl', 'application/x-mpegurl', 'audio/mpegurl'];
// `detailedErrorCode`s of https://developers.google.com/cast/docs/web_receiver/error_codes.
const CODES = {
  decode: 102, unsupported: 104, segment: 301, playlist: 311, manifest: 411, other: 905,
};

const isHls = ({ contentUrl, contentId, contentType }) => {
  const { pathname } = new URL(contentUrl ?? contentId);
  // Some senders call everything video/mp4; receivers look at the name as well.
  return HLS_TYPES.includes(contentType?.toLowerCase()) || pathname.endsWith('.m3u8');
};

// Emits 'say' (payload, asker) for what goes to senders: to `asker` as an answer and to all others as
// it is, or to all when there is no asker. `answer` only goes to the asker.
export class Media extends EventEmitter {
  #screen;
  // { id, media, loader }: `loader` asked for it and has had no answer.
  #session = null;
  #lastId = 0;
  // What was said of the player last.
  #said = null;
  #onTold = (told) => this.#told(told);

  constructor(screen) {
    super();
    this.#screen = screen;
    screen.on('told', this.#onTold);
  }

  // The app is gone from the screen.
  close() {
    this.#screen.off('told', this.#onTold);
    this.#session = null;
  }

  #say(payload, asker) { this.emit('say', payload, asker); }

  #answer(payload, asker) { this.emit('answer', payload, asker); }

  async handle(request, asker) {
    const { type } = request;
    if (type === 'LOAD') return this.#load(request, asker);
    if (type === 'GET_STATUS') return this.#status(request, asker);
    const commands = {
      PLAY: () => this.play(asker),
      PAUSE: () => this.pause(asker),
      STOP: () => this.stop(asker),
      SEEK: () => this.#seek(request, asker),
    };
    if (!commands[type]) return this.#refuse('INVALID_COMMAND', asker);
    if (!this.#session) return this.#answer({ type: 'INVALID_PLAYER_STATE' }, asker);
    if (request.mediaSessionId !== this.#session.id) {
      return this.#refuse('INVALID_MEDIA_SESSION_ID', asker);
    }
    return commands[type]();
  }

  #refuse(reason, asker) { this.#answer({ type: 'INVALID_REQUEST', reason }, asker); }

  async #load({ media, autoplay = true, currentTime }, asker) {
    if (!URL.canParse(media?.contentUrl ?? media?.contentId)) return this.#refuse('INVALID_PARAMS', asker);
    this.#end('INTERRUPTED');
    const session = { id: ++this.#lastId, media, loader: asker };
    this.#session = session;
    this.#say(this.#report({ state: 'LOADING' }, { media }));
    const failure = await this.#screen.ask('load', {
      url: media.contentUrl ?? media.contentId, hls: isHls(media), at: currentTime, autoplay,
    });
    if (this.#session !== session) return;
    if (failure) return this.#fail(failure);
    session.loader = null;
    const now = await this.#screen.ask('state');
    if (this.#session === session) this.#say(this.#report(now, { media }), asker);
  }

  async #status(_, asker) {
    const session = this.#session;
    const now = session && await this.#screen.ask('state');
    const known = session && this.#session === session;
    this.#answer(known ? this.#report(now, { media: session.media }) : this.#nothing(), asker);
  }

  async play(asker) { await this.#tell('play', asker); }

  async pause(asker) { await this.#tell('pause', asker); }

  async #seek({ currentTime, resumeState }, asker) {
    if (currentTime !== undefined) await this.#screen.ask('seek', currentTime);
    const then = { PLAYBACK_START: 'play', PLAYBACK_PAUSE: 'pause' }[resumeState];
    await this.#tell(then ?? 'state', asker);
  }

  async #tell(what, asker) {
    const session = this.#session;
    const now = await this.#screen.ask(what);
    if (session && this.#session === session) this.#say(this.#report(now), asker);
  }

  async stop(asker) {
    this.#end('CANCELLED', asker);
    await this.#screen.ask('unload');
  }

  // The player says that it does something else now, by itself or not.
  #told(told) {
    if (!this.#session) return;
    if (told.failure) this.#fail(told.failure);
    else if (told.state === 'ENDED') this.#end('FINISHED');
    else if (told.state !== this.#said) this.#say(this.#report(told));
  }

  #fail({ kind }) {
    const { loader } = this.#session;
    const detailedErrorCode = CODES[kind] ?? CODES.other;
    this.#say({ type: 'ERROR', detailedErrorCode, itemId: 1 });
    this.#end('ERROR');
    if (loader) this.#answer({ type: 'LOAD_FAILED', detailedErrorCode, itemId: 1 }, loader);
  }

  #end(idleReason, asker) {
    const session = this.#session;
    if (!session) return;
    this.#say(this.#report({ state: 'IDLE' }, { idleReason }), asker);
    this.#session = null;
    if (session.loader && idleReason !== 'ERROR') {
      this.#answer({ type: 'LOAD_CANCELLED', itemId: 1 }, session.loader);
    }
  }

  #nothing() { return { type: 'MEDIA_STATUS', status: [] }; }

  #report({ state, position = 0, seekable, duration }, more = {}) {
    this.#said = state;
    const { id, media } = this.#session;
    const live = media.streamType === 'LIVE';
    const status = {
      mediaSessionId: id,
      playbackRate: 1,
      playerState: state === 'LOADING' ? 'IDLE' : state,
      currentTime: position,
      supportedMediaCommands: COMMANDS,
      volume: { level: 1, muted: false },
      activeTrackIds: [],
      currentItemId: 1,
      repeatMode: 'REPEAT_OFF',
      ...more,
    };
    // A receiver describes the media when it is new or asked for, not with each change.
    if (more.media) status.media = { ...media, ...(!live && duration ? { duration } : {}) };
    if (state === 'LOADING') {
      delete status.media;
      status.extendedStatus = { playerState: 'LOADING', media, mediaSessionId: id };
    }
    if (live && seekable) {
      status.liveSeekableRange = { ...seekable, isMovingWindow: true, isLiveDone: false };
    }
    return { type: 'MEDIA_STATUS', status: [status] };
  }
}
