/** Headers of the PROXY protocol, and a receiver in Python that was written from the document alone. */
import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parseProxyHeader } from '#internal';
import type { Address } from 'ioloop';
import { testWith } from './helpers/conditions.js';

const run = promisify(execFile);
// Compiled, this file is in `build/__test__`.
const PROGRAM = fileURLToPath(new URL('../../__test__/fixtures/proxy_headers.py', import.meta.url));
const COUNT = 20_000;

/** `['more']`, `['bad']`, or `['header', length, version, local, source, destination, tlvs]`. */
type Verdict = readonly unknown[];

function verdictOn(bytes: Buffer): Verdict {
  let parsed: ReturnType<typeof parseProxyHeader>;
  try {
    parsed = parseProxyHeader(bytes);
  } catch (error) {
    return [(error as NodeJS.ErrnoException).code === 'ERR_IOLOOP_PROXY_HEADER' ? 'bad' : error];
  }
  if (parsed === null) return ['more'];
  const { version, isLocal, source, destination, tlvs } = parsed.header;
  const extensions = tlvs.map(({ type, value }) => [type, value.toString('hex')]);
  const ends = [shown(source), shown(destination)];
  return ['header', parsed.length, version, isLocal, ...ends, extensions];
}

function shown(address: Address | null): unknown {
  if (address === null) return null;
  if ('path' in address) return [Buffer.from(address.path).toString('hex')];
  return [address.host, address.port];
}

testWith('python3')(`${COUNT} headers, whole, broken and cut: the same verdicts`, async (t) => {
  const seed = randomInt(2 ** 31);
  t.log(`seed ${seed}`);
  const args = [PROGRAM, String(COUNT), String(seed)];
  const { stdout } = await run('python3', args, { maxBuffer: 2 ** 30 });
  const lines = stdout.trimEnd().split('\n');
  t.is(lines.length, COUNT);
  const counts = new Map<unknown, number>();
  for (const line of lines) {
    const [hex, verdict] = JSON.parse(line) as [string, Verdict];
    t.deepEqual(verdictOn(Buffer.from(hex, 'hex')), verdict, hex);
    counts.set(verdict[0], (counts.get(verdict[0]) ?? 0) + 1);
  }
  // Each verdict is tried often.
  for (const kind of ['more', 'bad', 'header']) t.true((counts.get(kind) ?? 0) > COUNT / 10, kind);
});
