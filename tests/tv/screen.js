// What the TV shows: a Chromium with the page of whatever app runs.

import { EventEmitter } from 'node:events';

import { Chromium } from './chromium.js';

const SIZE = { width: 1920, height: 1080 };

// Emits 'told' with what the player's page tells, 'crashed', and 'ended' (why) with Chromium.
export class Screen extends EventEmitter {
  #browser;
  #pages;
  // Whether the page on show is the player's and can be asked.
  #player = false;
  #shown = 0;

  static async start(profile, pages) {
    const screen = new Screen();
    screen.#pages = pages;
    screen.#browser = await Chromium.launch(profile, SIZE);
    screen.#browser.on('ended', (why) => screen.emit('ended', why));
    screen.#browser.on('Inspector.targetCrashed', () => screen.emit('crashed'));
    screen.#browser.on('Runtime.bindingCalled', ({ payload }) => {
      if (screen.#player) screen.emit('told', JSON.parse(payload));
    });
    await screen.#browser.call('Runtime.enable');
    await screen.#browser.call('Runtime.addBinding', { name: 'tell' });
    return screen;
  }

  // Shows the player or a card that names an app.
  async show(app) {
    this.#player = false;
    this.#shown += 1;
    const url = app.player
      ? new URL(`page/player.html?player=${app.player}`, this.#pages)
      : new URL(`page/card.html?name=${encodeURIComponent(app.name)}`, this.#pages);
    await this.#browser.navigate(url.href);
    this.#player = Boolean(app.player);
  }

  // Has the player do `what`, a function of page/player.js.
  ask(what, argument = null) {
    return this.#browser.evaluate(`player.${what}(${JSON.stringify(argument)})`);
  }

  // Of the player; null when that is not on show.
  async stats() {
    if (!this.#player) return null;
    const shown = this.#shown;
    try {
      return await this.ask('stats');
    } catch (error) {
      // The page may have gone meanwhile.
      if (this.#shown === shown) throw error;
      return null;
    }
  }

  screenshot() {
    return this.#browser.screenshot();
  }

  kill() {
    this.#browser.kill();
  }
}
