// What people see of a run: a heading and what was written below it; at the end a table of counts
// and times, then the closing line.
import { add, summary } from './counters.mjs';

/** @typedef {import('./counters.mjs').Result} Result */

/** Collects results; {@link Report.close} prints them. */
export class Report {
  /** @type {{ name: string, result: Result, seconds: number }[]} */
  #rows = [];

  /**
   * Runs something and keeps its result.
   * @param {string} name
   * @param {() => Promise<Result>} work
   */
  async measure(name, work) {
    const start = performance.now();
    const result = await work();
    this.#rows.push({ name, result, seconds: (performance.now() - start) / 1e3 });
  }

  /** Prints the table and, as the last line, the sum. Sets the exit code. */
  close() {
    const total = { passed: 0, failed: 0, skipped: 0 };
    const width = Math.max(0, ...this.#rows.map(({ name }) => name.length));
    console.log('');
    for (const { name, result, seconds } of this.#rows) {
      add(total, result);
      const time = `${seconds.toFixed(1)} s`.padStart(8);
      console.log(`${name.padEnd(width)}  ${time}  ${summary(result)}`);
    }
    console.log(`\n${summary(total)}`);
    process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
  }
}

/** @param {string} name */
export function heading(name) {
  console.log(`\n--- ${name}`);
}

/** Shows a line below its heading. @param {string} line */
export function indented(line) {
  console.log(line === '' ? '' : `    ${line}`);
}
