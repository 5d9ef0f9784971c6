#!/usr/bin/env node
/** `npx ioloop doctor`: what was loaded, why not something better, and what the system allows. */
import { parseArgs } from 'node:util';
import { examine } from './doctor/examine.js';
import { exitCodeOf, printed } from './doctor/finding.js';

const USAGE = `Usage: ioloop doctor [--json]

Shows the binary, the driver and the limits that ioloop has here, each with advice.

  --json   the findings as JSON

Exit code: 0, or 1 if something does not work; 2 for a wrong argument.
`;

try {
  const { values, positionals } = parseArgs({
    options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  });
  if (values.help === true) {
    process.stdout.write(USAGE);
  } else if (positionals.length !== 1 || positionals[0] !== 'doctor') {
    process.stderr.write(USAGE);
    process.exitCode = 2;
  } else {
    const findings = await examine();
    const json = values.json === true;
    process.stdout.write(json ? `${JSON.stringify({ findings }, null, 2)}\n` : printed(findings));
    process.exitCode = exitCodeOf(findings);
  }
} catch (error) {
  if (!String((error as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS')) throw error;
  process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
  process.exitCode = 2;
}
