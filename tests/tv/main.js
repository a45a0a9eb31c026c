// A TV: speaks CASTV2, describes itself at ports 8008 and 8443, and plays in a real browser what it is
// told to.
//
// Prints one line of JSON when it is ready: `control` is the address of GET /stats, GET /screenshot.png
// and POST /act. Ends when its standard input ends.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { certificate } from './certificate.js';
import { Channels } from './channels.js';
import { Receiver } from './receiver.js';
import { Screen } from './screen.js';
import { control, setup } from './web.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const { values: options } = parseArgs({
  options: {
    // Where senders find it; `port` is that of CASTV2.
    address: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '8009' },
    // A name in libraries.js.
    player: { type: 'string', default: 'shaka-5.2' },
    // Where libraries.js is, with what it needs.
    players: { type: 'string', default: here('../players') },
    name: { type: 'string', default: 'Test TV' },
    id: { type: 'string', default: '7e57ab1e-0000-4000-8000-000000000001' },
    // A directory for the key and the browser's profile; must be given.
    state: { type: 'string' },
  },
});

if (!options.state) throw new Error('--state DIRECTORY is missing');

function end(why) {
  if (why) process.stderr.write(`tv: ${why}\n`);
  process.exit(why ? 1 : 0);
}
// What is not handled must end the TV loudly; Chromium ends with it.
process.on('unhandledRejection', (error) => end(error.stack));
process.on('uncaughtException', (error) => end(error.stack));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => end());
process.stdin.on('end', () => end()).resume();

await mkdir(join(options.state, 'profile'), { recursive: true });
const tls = await certificate(options.state, options.name);

const folders = { page: here('page'), players: options.players };
const server = await control(() => receiver, folders, 0, '127.0.0.1');
const home = `http://127.0.0.1:${server.address().port}/`;

const screen = await Screen.start(join(options.state, 'profile'), home);
process.on('exit', () => screen.kill());
screen.on('ended', end);

let described = [];
const receiver = new Receiver(screen, options.player, {
  async on() {
    described = await setup(options, tls);
    await channels.listen(Number(options.port), options.address);
  },
  async off() {
    await channels.unplug();
    for (const server of described) {
      server.closeAllConnections();
      server.close();
    }
  },
});
const channels = new Channels(tls, () => receiver.endpoints);
channels.on('message', (message) => receiver.handle(message));
receiver.channels = channels;
await receiver.start();

process.stdout.write(`${JSON.stringify({ control: home })}\n`);
