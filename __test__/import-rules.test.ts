// The rules of `.dependency-cruiser.json` fail when they are broken: in a copy of `ts`, one file
// breaks each of them.
import test from 'ava';
import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What is added to files of the copy, by the rule that it breaks. */
const broken: Record<string, Record<string, string>> = {
  'support-imports-no-room': {
    'support/broken.ts': "export type { IOLoop } from '../loop/ioloop.js';",
  },
  'boundary-imports-support': {
    'boundary/broken.ts': "export type { Socket } from '../sockets/socket.js';",
  },
  'sockets-import-boundary': {
    'sockets/broken.ts': "export type { IOLoop } from '../loop/ioloop.js';",
  },
  'loop-imports-sockets': {
    'loop/broken.ts': "export type { Data } from '../streams/data.js';",
  },
  'streams-import-loop': {
    'streams/broken.ts': "export type { TCPServer } from '../net/tcp-server.js';",
  },
  'net-imports-streams': {
    'net/broken.ts': "export type { TCPServer } from '../index.js';",
  },
  'no-circle': {
    'streams/first.ts': "import type { Second } from './second.js';\nexport type First = Second;",
    'streams/second.ts': "import type { First } from './first.js';\nexport type Second = First;",
  },
  'no-circle-but-adapters': {
    'streams/iostream.ts': "export type { Back } from './back.js';",
    'streams/back.ts':
      "import type { IOStream } from './iostream.js';\nexport type Back = IOStream;",
  },
  'no-circle-of-values': {
    'streams/iostream.ts': "export { Value } from './adapters/value.js';",
    'streams/adapters/value.ts':
      "import { IOStream } from '../iostream.js';\nexport const Value = IOStream;",
  },
  'adapters-import-the-type': {
    'streams/adapters/user.ts':
      "import { IOStream } from '../iostream.js';\nexport const User = IOStream;",
  },
};

interface Violation {
  readonly from: string;
  readonly rule: { readonly name: string };
}

/** The violations in a copy of `ts` to which `files` were added. */
function violations(files: Record<string, string>[]): Violation[] {
  const copy = mkdtempSync(join(tmpdir(), 'import-rules-'));
  try {
    for (const name of [
      'ts',
      'native',
      'tsconfig.json',
      'package.json',
      '.dependency-cruiser.json',
    ]) {
      cpSync(join(root, name), join(copy, name), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    for (const [name, text] of files.flatMap((added) => Object.entries(added))) {
      const path = join(copy, 'ts', name);
      if (name.endsWith('iostream.ts')) appendFileSync(path, `\n${text}\n`);
      else writeFileSync(path, `${text}\n`);
    }
    const cli = join(root, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs');
    const args = [cli, 'ts', '--config', '.dependency-cruiser.json', '--output-type', 'json'];
    const options = { cwd: copy, encoding: 'utf8', maxBuffer: 2 ** 26 } as const;
    const { stdout } = spawnSync(process.execPath, args, options);
    const { summary } = JSON.parse(stdout) as { summary: { violations: Violation[] } };
    return summary.violations;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

test('each rule of the imports fails in the file that breaks it', (t) => {
  const found = violations(Object.values(broken));
  for (const [rule, files] of Object.entries(broken)) {
    const names = new Set(Object.keys(files).map((name) => `ts/${name}`));
    const isFound = found.some(({ from, rule: { name } }) => name === rule && names.has(from));
    t.true(isFound, `${rule}: ${JSON.stringify(found)}`);
  }
});
