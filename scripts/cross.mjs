// `npm run test:cross`: the package built for other systems, and the core of its tests
// (`scripts/lib/core-tests.mjs`) run there, over each driver: under qemu's emulation, under a Node for
// musl. All it needs is fetched: zig, emulators, libraries, Nodes.
//
//   npm run test:cross -- --target musl,arm64   some targets (`scripts/lib/cross-targets.mjs`)
//   npm run test:cross -- --driver thread       one driver
//   npm run test:cross -- --quick               some files of the core
import { parseArgs } from 'node:util';
import { among, list, script } from './lib/process.mjs';
import { crossRows } from './lib/cross-rows.mjs';
import { crossTargets } from './lib/cross-targets.mjs';
import { setUpPortable } from './lib/portable.mjs';
import { Report, heading, indented } from './lib/report.mjs';
import { drivers } from './lib/stages.mjs';

const { values } = parseArgs({
  options: {
    target: { type: 'string', default: Object.keys(crossTargets).join(',') },
    driver: { type: 'string' },
    quick: { type: 'boolean', default: false },
  },
});

await script(async () => {
  among('driver', values.driver, drivers);
  const names = list(values.target);
  for (const name of names) among('target', name, Object.keys(crossTargets));
  setUpPortable();
  const report = new Report();
  for (const { name, group, run } of crossRows(values.quick ? 'quick' : 'core')) {
    const isOther =
      values.driver !== undefined && name.endsWith(' driver') && !name.includes(values.driver);
    if (!names.includes(group) || isOther) continue;
    heading(name);
    await report.measure(name, () => run(indented));
  }
  report.close();
});
