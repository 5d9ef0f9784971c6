// The core of the suite on other systems: one row for each and each driver, for the tables of
// `npm run test:cross` and `npm run test:flavours`.
import { checkCross, crossBinary } from './cross-binary.mjs';
import { coreTests, quickTests, testsOfDescriptors, testsOfProcesses } from './core-tests.mjs';
import { crossTargets, describeNode } from './cross-targets.mjs';
import { portableStage, runPortable } from './portable.mjs';

/** @typedef {import('./flavours.mjs').Flavour} Flavour */

/**
 * @param {'core' | 'quick' | 'table'} extent The files of tests: the core, some of it, or for the table
 * of flavours what takes less than eight minutes (`quickInTable` of the targets).
 * @returns {Flavour[]} The group of a row is the name of its target.
 */
export function crossRows(extent) {
  return Object.entries(crossTargets).flatMap(([group, target]) => {
    const { triple, note, node, check, drivers, isEmulated = false, mayBeRefused } = target;
    const { quickInTable } = target;
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
    const inTable = extent === 'table' ? quickInTable : undefined;
    const isQuick = extent === 'quick' || inTable !== undefined;
    return (inTable ?? drivers).map((driver) => {
      const left = new Set(isQuick && isEmulated ? testsOfProcesses : []);
      if (driver === 'host') for (const file of testsOfDescriptors) left.add(file);
      const files = (isQuick ? quickTests : coreTests).filter((file) => !left.has(file));
      const run = async (/** @type {import('./counters.mjs').Show} */ show) => {
        const binary = build();
        const command = node();
        show(describeNode(command));
        // Tests start Node by the launcher. Under wine they find it by themselves.
        const execPath = driver === 'host' ? undefined : command;
        const options = { driver, binary, execPath, isEmulated, mayBeRefused };
        return runPortable(portableStage([command, '--expose-gc'], options), files, show);
      };
      const suite = isQuick ? 'core, quick' : 'core';
      return { name: `${group}${extra}, ${driver} driver`, group, suite, run };
    });
  });
}
