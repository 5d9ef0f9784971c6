// Functions that block their thread, one for each cause. `isReleased()` is true when the parent has
// seen the report, and the FIFO `release` is readable then.
import { execSync } from 'node:child_process';
import { pbkdf2Sync } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';

const { RELEASED = '', FIFO = '' } = process.env;
const isReleased = () => existsSync(RELEASED);

/** @type {Record<string, () => void>} */
export const culprits = {
  'while (true)': function culpritLoop() {
    while (true) if (isReleased()) return;
  },
  'fs.readFileSync': function culpritRead() {
    readFileSync(FIFO);
  },
  'child_process.execSync': function culpritExec() {
    execSync(`cat '${FIFO}'`);
  },
  'Atomics.wait': function culpritWait() {
    const cell = new Int32Array(new SharedArrayBuffer(4));
    while (!isReleased()) Atomics.wait(cell, 0, 0, 1000);
  },
  'a regular expression': function culpritMatch() {
    while (!isReleased()) /^(a+)+$/.test(`${'a'.repeat(26)}b`);
  },
  'crypto.pbkdf2Sync': function culpritHash() {
    while (!isReleased()) pbkdf2Sync('a', 'b', 1_000_000, 64, 'sha512');
  },
};
