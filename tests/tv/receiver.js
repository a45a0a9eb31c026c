// The TV as senders see it: which app runs, volume, standby and input.

import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

import { MEDIA, Media } from './media.js';

const RECEIVER = 'urn:x-cast:com.google.cast.receiver';
const PLATFORM = 'receiver-0';
const PLAYER = 'CC1AD845';
const BACKDROP = 'E8C28D3C';
const YOUTUBE = '233637DE';
const APPS = new Map([
  [PLAYER, 'Default Media Receiver'],
  [BACKDROP, 'Backdrop'],
  [YOUTUBE, 'YouTube'],
]);
// What an app takes to start, at the least.
const LAUNCH = 500;
const REBOOT = 3_000;

export class Receiver {
  // Set by `main.js`, because the channels ask for the endpoints of this.
  channels;
  #screen;
  #player;
  #plug;
  #app = null;
  #volume = { level: 0.5, muted: false };
  #standby = false;
  #activeInput = true;
  #on = false;
  #loads = 0;
  #lastLoad = null;
  // Apps start and end one after the other.
  #turn = Promise.resolve();

  // `plug` has `on()` and `off()` for everything that listens on the network.
  constructor(screen, player, plug) {
    this.#screen = screen;
    this.#player = player;
    this.#plug = plug;
    screen.on('crashed', () => this.#inTurn(() => this.#run(BACKDROP)));
  }

  get endpoints() {
    return this.#app ? [PLATFORM, this.#app.session] : [PLATFORM];
  }

  #inTurn(what) {
    const done = this.#turn.then(what);
    this.#turn = done.catch(() => {});
    return done;
  }

  // From senders.

  async handle({ client, source, destination, namespace, payload }) {
    const asker = { client, source, requestId: payload.requestId ?? 0 };
    if (destination === PLATFORM) {
      if (namespace === RECEIVER) await this.#platform(payload, asker);
      return;
    }
    const { media } = this.#app;
    if (namespace !== MEDIA || !media) return;
    if (payload.type === 'LOAD') {
      this.#loads += 1;
      this.#lastLoad = payload;
    }
    try {
      await media.handle(payload, asker);
    } catch (error) {
      // The page that was asked is not there any more.
      if (this.#app?.media === media) throw error;
    }
  }

  async #platform(request, asker) {
    const { type, appId, sessionId, volume } = request;
    if (type === 'GET_STATUS') {
      this.#answer(PLATFORM, RECEIVER, this.#status(), asker);
    } else if (type === 'GET_APP_AVAILABILITY') {
      const known = appId.map((id) => [id, APPS.has(id) ? 'APP_AVAILABLE' : 'APP_UNAVAILABLE']);
      const availability = Object.fromEntries(known);
      const answer = { responseType: type, availability };
      this.#answer(PLATFORM, RECEIVER, answer, asker);
    } else if (type === 'SET_VOLUME') {
      const level = Math.min(Math.max(volume.level ?? this.#volume.level, 0), 1);
      this.#volume = { level, muted: volume.muted ?? this.#volume.muted };
      this.#tell(asker);
    } else if (type === 'LAUNCH' && !APPS.has(appId)) {
      this.#answer(PLATFORM, RECEIVER, { type: 'LAUNCH_ERROR', reason: 'NOT_FOUND' }, asker);
    } else if (type === 'LAUNCH') {
      await this.#inTurn(() => this.#run(appId, asker));
    } else if (type === 'STOP' && sessionId === this.#app?.session) {
      await this.#inTurn(() => this.#run(BACKDROP, asker));
    } else {
      const reason = type === 'STOP' ? 'INVALID_SESSION_ID' : 'INVALID_COMMAND';
      this.#answer(PLATFORM, RECEIVER, { type: 'INVALID_REQUEST', reason }, asker);
    }
  }

  #answer(from, namespace, payload, { client, source, requestId }) {
    this.channels.send(client, from, source, namespace, { requestId, ...payload });
  }

  // To `asker` as the answer and to all others as news, or to all.
  #say(from, namespace, payload, asker) {
    if (asker) this.#answer(from, namespace, payload, asker);
    this.channels.broadcast(from, namespace, { requestId: 0, ...payload }, asker?.client);
  }

  #tell(asker) { this.#say(PLATFORM, RECEIVER, this.#status(), asker); }

  #status() {
    const app = this.#app && {
      appId: this.#app.id,
      appType: 'WEB',
      displayName: APPS.get(this.#app.id),
      iconUrl: '',
      isIdleScreen: this.#app.id === BACKDROP,
      launchedFromCloud: false,
      namespaces: this.#app.media ? [{ name: MEDIA }] : [],
      sessionId: this.#app.session,
      statusText: APPS.get(this.#app.id),
      transportId: this.#app.session,
      universalAppId: this.#app.id,
    };
    return {
      type: 'RECEIVER_STATUS',
      status: {
        // Between two apps there is no list at all.
        ...(app ? { applications: [app] } : {}),
        isActiveInput: this.#activeInput,
        isStandBy: this.#standby,
        userEq: {},
        volume: { ...this.#volume, controlType: 'attenuation', stepInterval: 0.05 },
      },
    };
  }

  // Ends what runs and starts an app, which wakes the TV if it is not the idle screen.
  async #run(id, asker) {
    this.#leave();
    if (id !== BACKDROP) {
      this.#standby = false;
      this.#activeInput = true;
      this.#tell();
    }
    const page = { name: APPS.get(id), player: id === PLAYER ? this.#player : null };
    await Promise.all([this.#screen.show(page), delay(id === BACKDROP ? 0 : LAUNCH)]);
    const app = { id, session: randomUUID(), media: id === PLAYER ? new Media(this.#screen) : null };
    app.media?.on('say', (...said) => this.#say(app.session, MEDIA, ...said));
    app.media?.on('answer', (...said) => this.#answer(app.session, MEDIA, ...said));
    this.#app = app;
    this.#tell(asker);
  }

  #leave() {
    if (!this.#app) return;
    const { session, media } = this.#app;
    media?.close();
    this.#app = null;
    this.channels.closeEndpoint(session);
  }

  // What people and the world do.

  start() { return this.#inTurn(() => this.#plugIn()); }

  // By name, for the control port.
  get actions() {
    const player = (what) => async () => {
      if (!this.#app?.media) throw new Error('the player does not run');
      await this.#app.media[what]();
    };
    const set = (what) => async () => {
      what();
      this.#tell();
    };
    return {
      play: player('play'),
      pause: player('pause'),
      stop: player('stop'),
      home: () => this.#inTurn(() => this.#run(BACKDROP)),
      'take-over': () => this.#inTurn(() => this.#run(YOUTUBE)),
      standby: set(() => { this.#standby = true; this.#activeInput = false; }),
      wake: set(() => { this.#standby = false; this.#activeInput = true; }),
      'other-input': set(() => { this.#activeInput = false; }),
      'this-input': set(() => { this.#activeInput = true; }),
      unplug: () => this.#inTurn(() => this.#unplug()),
      'plug-in': () => this.#inTurn(() => this.#plugIn()),
      reboot: () => this.#inTurn(() => this.#unplug()).then(() => this.#comeBack()),
    };
  }

  // Whoever asked for a reboot does not wait for this.
  #comeBack() {
    const back = async () => {
      await delay(REBOOT);
      await this.#plugIn();
    };
    this.#inTurn(back).catch((error) => this.#screen.emit('ended', error.message));
  }

  async #unplug() {
    if (!this.#on) throw new Error('the TV has no power already');
    this.#on = false;
    await this.#plug.off();
    this.#leave();
    await this.#screen.show({ name: '' });
  }

  async #plugIn() {
    if (this.#on) throw new Error('the TV has power already');
    this.#standby = false;
    this.#activeInput = true;
    await this.#run(BACKDROP);
    await this.#plug.on();
    this.#on = true;
  }

  async stats() {
    return {
      on: this.#on,
      standby: this.#standby,
      active_input: this.#activeInput,
      app: this.#app?.id ?? null,
      volume: this.#volume.level,
      muted: this.#volume.muted,
      senders: this.channels.senders,
      loads: this.#loads,
      load: this.#lastLoad,
      // Of the player's page; null while that is not on show.
      player: await this.#screen.stats(),
    };
  }

  async screenshot() {
    if (!this.#on || this.#standby || !this.#activeInput) throw new Error('this TV does not show us');
    return this.#screen.screenshot();
  }
}
