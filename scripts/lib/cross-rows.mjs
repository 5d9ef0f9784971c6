// The core of the suite on other systems: one row for each and each driver, for the tables of
// `npm run test:cross` and `npm run test:flavours`.
import { checkCross, crossBinary } from './cross-binary.mjs';
import { testsOfDescriptors, testsOfProcesses } from './core-tests.mjs';
import { crossTargets, describeNode } from './cross-targets.mjs';
import { portableStage, runPortable } from './portable.mjs';

/** @typedef {import('./flavours.mjs').Flavour} Flavour */

/**
 * @param {readonly string[]} files of tests
 * @param {string} suite their name
 * @param {boolean} isQuick
 * @returns {Flavour[]} The group of a row is the name of its target.
 */
export function crossRows(files, suite, isQuick) {
  return Object.entries(crossTargets).flatMap(([group, target]) => {
    const { triple, note, node, check, drivers, isEmulated = false, mostUnsupported } = target;
    const build = () => {
      checkCross();
      const binary = crossBinary(triple);
      check?.(binary);
      return binary;
    };
    if (node === undefined || drivers === undefined) {
      const run = async () => {
        build();
        return { passed: 1, failed: 0, skipped: 0 };
      };
      return [{ name: `${group} (${triple})`, group, suite: 'linked, not run', run }];
    }
    const extra = note === undefined ? '' : ` (${note})`;
    return drivers.map((driver) => ({
      name: `${group}${extra}, ${driver} driver`,
      group,
      suite,
      run: async (/** @type {import('./counters.mjs').Show} */ show) => {
        const binary = build();
        const command = node();
        show(describeNode(command));
        // Tests start Node by the launcher. Under wine they find it by themselves.
        const execPath = driver === 'host' ? undefined : command;
        const options = { driver, binary, execPath, isEmulated, mostUnsupported };
        const left = new Set(isQuick && isEmulated ? testsOfProcesses : []);
        if (driver === 'host') for (const file of testsOfDescriptors) left.add(file);
        const some = files.filter((file) => !left.has(file));
        return runPortable(portableStage([command, '--expose-gc'], options), some, show);
      },
    }));
  });
}
