// Headless Chromium with one page, driven over a pipe.
//
// Without a library: those put Chromium into a process group of its own, and then it outlives whoever
// ends this TV by its group.

import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';

const FLAGS = [
  '--headless=new',
  '--remote-debugging-pipe',
  '--disable-gpu',
  '--mute-audio',
  '--autoplay-policy=no-user-gesture-required',
  '--hide-scrollbars',
  '--no-first-run',
];

// Emits each event of the page by its name in the DevTools protocol, and 'ended'.
export class Chromium extends EventEmitter {
  #process;
  #calls = new Map();
  #lastId = 0;
  #page;

  static async launch(profile, { width, height }) {
    const browser = new Chromium();
    browser.#start(profile, width, height);
    const { targetId } = await browser.call('Target.createTarget', { url: 'about:blank' });
    const attached = await browser.call('Target.attachToTarget', { targetId, flatten: true });
    browser.#page = attached.sessionId;
    await browser.call('Page.enable');
    await browser.call('Inspector.enable');
    await browser.call('Emulation.setDeviceMetricsOverride', {
      width, height, deviceScaleFactor: 1, mobile: false,
    });
    return browser;
  }

  #start(profile, width, height) {
    const flags = [...FLAGS, `--user-data-dir=${profile}`, `--window-size=${width},${height}`];
    // Chromium refuses to run as root with its sandbox; the pages here are our own.
    if (process.geteuid() === 0) flags.push('--no-sandbox');
    // It takes commands on descriptor 3 and answers on 4, and ends when these close.
    this.#process = spawn('chromium', [...flags, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      // A killed Chromium leaves its sockets' directory behind.
      env: { ...process.env, TMPDIR: profile },
    });
    const ended = (why) => {
      for (const { reject } of this.#calls.values()) reject(new Error(why));
      this.#calls.clear();
      this.emit('ended', why);
    };
    this.#process.once('error', (error) => ended(`starting chromium: ${error.message}`));
    this.#process.once('exit', (code, signal) => ended(`chromium has ended: ${signal ?? code}`));
    const [, , , commands, answers] = this.#process.stdio;
    // What cannot be written is answered by the end of the process.
    commands.on('error', () => {});
    let rest = Buffer.alloc(0);
    answers.on('data', (bytes) => {
      rest = Buffer.concat([rest, bytes]);
      for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
        this.#heard(JSON.parse(rest.subarray(0, end)));
        rest = rest.subarray(end + 1);
      }
    });
  }

  #heard({ id, method, params, result, error }) {
    if (method) {
      this.emit(method, params);
      return;
    }
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error) call?.reject(new Error(`${call.method}: ${error.message}`));
    else call?.resolve(result);
  }

  call(method, params = {}) {
    const id = ++this.#lastId;
    this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId: this.#page })}\0`);
    return new Promise((resolve, reject) => this.#calls.set(id, { method, resolve, reject }));
  }

  // Opens a page; its scripts have run when this resolves.
  async navigate(url) {
    const loaded = once(this, 'Page.loadEventFired');
    const { errorText } = await this.call('Page.navigate', { url });
    if (errorText) throw new Error(`opening ${url}: ${errorText}`);
    await loaded;
  }

  // What `expression` comes to in the page, promises awaited.
  async evaluate(expression) {
    const { result, exceptionDetails } = await this.call('Runtime.evaluate', {
      expression, awaitPromise: true, returnByValue: true,
    });
    if (exceptionDetails) {
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    }
    return result.value;
  }

  // The page as a PNG.
  async screenshot() {
    const { data } = await this.call('Page.captureScreenshot', { format: 'png' });
    return Buffer.from(data, 'base64');
  }

  kill() {
    this.#process.kill('SIGKILL');
  }
}
