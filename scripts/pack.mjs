// `npm run pack`: the tarballs of all packages, into `artifacts/packages`, from the binaries in
// `native` or in another folder. A release publishes exactly these files.
//
//   npm run pack -- --binaries artifacts/binaries --all
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { binariesIn, pack, WASM } from './lib/packages.mjs';
import { Hint, script } from './lib/process.mjs';
import { setUp } from './lib/setup.mjs';

const { values } = parseArgs({
  options: {
    binaries: { type: 'string', default: 'native' },
    out: { type: 'string', default: 'artifacts/packages' },
    all: { type: 'boolean', default: false },
  },
});

await script(async () => {
  setUp();
  const { GLIBC_FLOOR, targets } = await import('../dist/internal.js');
  const binaries = binariesIn(resolve(values.binaries), targets);
  const wanted = [...targets.map(({ name }) => name), WASM];
  const missing = wanted.filter((name) => !binaries.has(name));
  if (values.all && missing.length > 0) {
    throw new Hint(`There is no binary for ${missing.join(', ')} in ${values.binaries}.`);
  }
  const folder = resolve(values.out);
  const packed = await pack({ targets, glibcFloor: GLIBC_FLOOR, binaries, folder });
  for (const { file, files, size } of packed) {
    console.log(`${file}  ${files.length} files, ${(size / 1e3).toFixed(0)} kB`);
  }
});
