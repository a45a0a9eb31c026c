// The connections of senders: TLS, virtual connections and heartbeat.

import { EventEmitter, once } from 'node:events';

import { Server } from 'castv2';

const PREFIX = 'urn:x-cast:com.google.cast.';
const CONNECTION = `${PREFIX}tp.connection`;
const HEARTBEAT = `${PREFIX}tp.heartbeat`;
// Both ends of a TV's own PINGs have this name.
const TRANSPORT = 'Tr@n$p0rt-0';
const PING_EVERY = 5_000;
// A sender that was silent for so long is gone, and its connection is closed.
const SILENT_FOR = 10_000;

// Emits 'message' ({ client, source, destination, namespace, payload }) for what is said over a virtual
// connection, payloads parsed.
export class Channels extends EventEmitter {
  #server = null;
  #tls;
  #endpoints;
  // By client: { heard, connections, ping }, where connections has "sender destination" for each CONNECT.
  #clients = new Map();

  // `endpoints()` are the destinations that there are now.
  constructor(tls, endpoints) {
    super();
    this.#tls = tls;
    this.#endpoints = endpoints;
  }

  get senders() { return this.#clients.size; }

  async listen(port, host) {
    const server = new Server(this.#tls);
    server.server.on('tlsClientError', () => {});
    server.on('message', (...message) => this.#heard(...message));
    server.listen(port, host);
    await once(server.server, 'listening');
    // After `listen`, so that the server knows the client by its name already.
    server.server.on('secureConnection', (socket) => this.#connected(socket));
    this.#server = server;
  }

  // As a pulled plug does it: nothing is said to anyone.
  async unplug() {
    const closed = once(this.#server.server, 'close');
    this.#server.server.close();
    for (const { socket } of Object.values(this.#server.clients)) socket.destroy();
    await closed;
    this.#server = null;
  }

  #connected(socket) {
    const client = `${socket.remoteAddress}:${socket.remotePort}`;
    const state = { heard: Date.now(), connections: new Set() };
    state.ping = setInterval(() => {
      if (Date.now() - state.heard > SILENT_FOR) socket.destroy();
      else this.send(client, TRANSPORT, TRANSPORT, HEARTBEAT, { type: 'PING' });
    }, PING_EVERY);
    this.#clients.set(client, state);
    // A reset is followed by 'close' and is no more than that.
    socket.on('error', () => {});
    socket.once('close', () => {
      clearInterval(state.ping);
      this.#clients.delete(client);
    });
  }

  #heard(client, source, destination, namespace, data) {
    const state = this.#clients.get(client);
    state.heard = Date.now();
    // The only binary messages are those of device authentication, which needs Google's key.
    if (typeof data !== 'string') return;
    const payload = JSON.parse(data);
    const connection = `${source} ${destination}`;
    if (namespace === HEARTBEAT) {
      if (payload.type === 'PING') {
        this.send(client, destination, source, HEARTBEAT, { type: 'PONG' });
      }
    } else if (namespace === CONNECTION && payload.type === 'CLOSE') {
      state.connections.delete(connection);
    } else if (namespace === CONNECTION && this.#endpoints().includes(destination)) {
      state.connections.add(connection);
    } else if (state.connections.has(connection)) {
      this.emit('message', { client, source, destination, namespace, payload });
    } else {
      this.send(client, destination, source, CONNECTION, { type: 'CLOSE' });
    }
  }

  send(client, from, to, namespace, payload) {
    // It may have gone while the answer was made.
    if (!this.#server?.clients[client]) return;
    this.#server.send(client, from, to, namespace, JSON.stringify(payload));
  }

  // Says it to everyone who is connected to endpoint `from`, but not to `except`, who had it as an answer.
  broadcast(from, namespace, payload, except) {
    for (const [client, { connections }] of this.#clients) {
      const connected = [...connections].some((connection) => connection.endsWith(` ${from}`));
      if (connected && client !== except) this.send(client, from, '*', namespace, payload);
    }
  }

  // Ends the virtual connections to an endpoint that is no more.
  closeEndpoint(endpoint) {
    for (const [client, { connections }] of this.#clients) {
      for (const connection of connections) {
        const [sender, destination] = connection.split(' ');
        if (destination !== endpoint) continue;
        connections.delete(connection);
        this.send(client, endpoint, sender, CONNECTION, { type: 'CLOSE' });
      }
    }
  }
}
