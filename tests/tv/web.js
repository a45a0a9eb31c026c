// What the TV serves over HTTP: its description to the network; its pages and its control to us.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { extname, join, normalize } from 'node:path';

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8' };

function answer(response, status, type, body) {
  response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store' }).end(body);
}

const json = (response, status, value) => {
  answer(response, status, 'application/json', JSON.stringify(value));
};

async function listen(server, handle, port, host) {
  server.on('request', (request, response) => {
    handle(request, response).catch((error) => json(response, 409, { error: error.message }));
  });
  server.listen(port, host);
  await once(server, 'listening');
  return server;
}

// `GET /setup/eureka_info`, where senders that were given an address find out what is there: newer ones
// at port 8443, older ones at 8008. Returns both servers.
export function setup({ name, id, address }, tls) {
  const info = {
    name,
    ssdp_udn: id,
    cast_build_revision: '1.56.500000',
    version: 12,
    device_info: {
      name,
      ssdp_udn: id,
      manufacturer: 'dashboard-cast',
      model_name: 'Chromecast',
      capabilities: { display_supported: true, multizone_supported: true },
    },
  };
  const handle = async (request, response) => {
    const { pathname } = new URL(request.url, 'http://tv');
    if (pathname === '/setup/eureka_info') json(response, 200, info);
    else json(response, 404, {});
  };
  return Promise.all([
    listen(createTlsServer(tls), handle, 8443, address),
    listen(createServer(), handle, 8008, address),
  ]);
}

async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks));
}

// `GET /stats`, `GET /screenshot.png`, `POST /act {"action": NAME}`, and the pages in `folders`, which
// are directories by the first part of the path. `tv()` is the receiver.
export function control(tv, folders, port, host) {
  return listen(createServer(), async (request, response) => {
    const { pathname } = new URL(request.url, 'http://tv');
    const route = `${request.method} ${pathname}`;
    const [, folder, ...rest] = pathname.split('/');
    if (route === 'GET /stats') {
      json(response, 200, await tv().stats());
    } else if (route === 'GET /screenshot.png') {
      answer(response, 200, 'image/png', await tv().screenshot());
    } else if (route === 'POST /act') {
      const { action } = await body(request);
      const { actions } = tv();
      const act = actions[action];
      if (!act) throw new Error(`${action}: not one of ${Object.keys(actions).join(', ')}`);
      await act();
      json(response, 200, {});
    } else if (request.method === 'GET' && folders[folder]) {
      const path = join(folders[folder], normalize(`/${rest.join('/')}`));
      answer(response, 200, TYPES[extname(path)] ?? 'application/octet-stream', await readFile(path));
    } else {
      json(response, 404, {});
    }
  }, port, host);
}
