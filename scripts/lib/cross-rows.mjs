// The core of the suite on other systems: one row for each and each driver, for the tables of
// `npm run test:cross` and `npm run test:flavours`.
import { checkCross } from './cross-binary.mjs';
import { testsOfProcesses } from './core-tests.mjs';
import { crossTargets, describeNode } from './cross-targets.mjs';
import { portableStage, runPortable } from './portable.mjs';
import { drivers } from './stages.mjs';

/** @typedef {import('./flavours.mjs').Flavour} Flavour */

/**
 * @param {readonly string[]} files of tests
 * @param {string} suite their name
 * @param {boolean} isQuick
 * @returns {Flavour[]} The group of a row is the name of its target.
 */
export function crossRows(files, suite, isQuick) {
  return Object.entries(crossTargets).flatMap(([group, target]) => {
    const { prepare, check, note, triple, isEmulated = false } = target;
    if (prepare === undefined) {
      const run = async () => {
        checkCross();
        check();
        return { passed: 1, failed: 0, skipped: 0 };
      };
      return [{ name: `${group} (${triple})`, group, suite: note, run }];
    }
    const extra = note === undefined ? '' : ` (${note})`;
    return drivers.map((driver) => ({
      name: `${group}${extra}, ${driver} driver`,
      group,
      suite,
      run: async (/** @type {import('./counters.mjs').Show} */ show) => {
        checkCross();
        const { node, binary } = prepare();
        show(describeNode(node));
        const options = { driver, binary, execPath: node, isEmulated };
        const some =
          isQuick && isEmulated ? files.filter((file) => !testsOfProcesses.includes(file)) : files;
        return runPortable(portableStage([node, '--expose-gc'], options), some, show);
      },
    }));
  });
}
