// The certificate that a TV presents: made by itself, X.509 version 1, SHA-1, valid for two days, as
// real ones have been seen.

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

// Makes key and certificate in `directory`, and says how to use them, as options of a TLS server.
export async function certificate(directory, name) {
  const [key, request, cert] = ['key', 'request', 'cert'].map((file) => join(directory, `${file}.pem`));
  const openssl = (...args) => run('openssl', args);
  await openssl('req', '-new', '-newkey', 'rsa:2048', '-noenc', '-keyout', key, '-subj', `/CN=${name}`,
    '-out', request);
  await openssl('x509', '-req', '-sha1', '-in', request, '-signkey', key, '-days', '2', '-out', cert);
  if (!await isVersion1(cert)) {
    // OpenSSL 3.2 and later make version 3 of that, but have a word for version 1, which holds without
    // the extensions of the usual configuration.
    await openssl('req', '-x509', '-x509v1', '-config', '/dev/null', '-sha1', '-key', key,
      '-subj', `/CN=${name}`, '-days', '2', '-out', cert);
    if (!await isVersion1(cert)) throw new Error('openssl made no X.509 v1 certificate');
  }
  return {
    key: await readFile(key),
    cert: await readFile(cert),
    // SHA-1 would not be used otherwise.
    ciphers: 'DEFAULT:@SECLEVEL=0',
  };
}

async function isVersion1(cert) {
  const { stdout } = await run('openssl', ['x509', '-in', cert, '-noout', '-text']);
  return stdout.includes('Version: 1 (0x0)');
}
