/** Certificates for tests, made by openssl when they are needed. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A key and a certificate, as PEM. */
export interface Identity {
  readonly key: Buffer;
  readonly cert: Buffer;
}

/** What makes a certificate unlike a good one. */
export interface IssueOptions {
  readonly name: string;
  /** By default `clientAuth,serverAuth`. */
  readonly usage?: string;
  readonly expired?: boolean;
}

/** An authority that issues certificates into a folder of its own. */
export class Authority {
  readonly #folder = mkdtempSync(join(tmpdir(), 'ioloop-ca-'));
  readonly cert: Buffer;

  constructor(name: string) {
    const days = ['-days', '2', '-subj', `/CN=${name}`];
    this.#openssl(['req', '-x509', ...NEW_KEY, '-keyout', 'ca.key', '-out', 'ca.pem', ...days]);
    this.cert = this.#read('ca.pem');
  }

  issue({ name, usage = 'clientAuth,serverAuth', expired = false }: IssueOptions): Identity {
    const lines = [`extendedKeyUsage=${usage}`, 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    writeFileSync(join(this.#folder, 'extensions'), lines.join('\n'));
    this.#openssl(['req', ...NEW_KEY, '-keyout', 'key', '-out', 'request', '-subj', `/CN=${name}`]);
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'];
    // Valid from now until yesterday.
    const days = ['-days', expired ? '-1' : '2', '-extfile', 'extensions'];
    this.#openssl(['x509', '-req', '-in', 'request', '-out', 'pem', ...signed, ...days]);
    return { key: this.#read('key'), cert: this.#read('pem') };
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true });
  }

  #openssl(args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: 'pipe' });
  }

  #read(name: string): Buffer {
    return readFileSync(join(this.#folder, name));
  }
}

/** A certificate that is its own authority. */
export function selfSigned(name: string): Identity {
  const folder = mkdtempSync(join(tmpdir(), 'ioloop-ca-'));
  const names = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost'];
  const args = [
    'req',
    '-x509',
    ...NEW_KEY,
    '-keyout',
    'key',
    '-out',
    'pem',
    '-days',
    '2',
    ...names,
  ];
  execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const identity = {
    key: readFileSync(join(folder, 'key')),
    cert: readFileSync(join(folder, 'pem')),
  };
  rmSync(folder, { recursive: true });
  return identity;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
