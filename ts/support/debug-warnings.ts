/** Warnings of debug mode, each by its site: one that repeats is emitted ever more rarely. */
import { ReportGate } from './report-gate.js';

const gates = new Map<string, ReportGate>();

/**
 * Emits a warning of Node. For each code and `key`, such as a site, the first is emitted, and again
 * after 1 s, 2 s, 4 s … up to a minute while they go on.
 */
export function warnFrom(key: string, code: string, message: string): void {
  if (gateOf(`${code} ${key}`).opens()) process.emitWarning(message, { code });
}

function gateOf(key: string): ReportGate {
  const known = gates.get(key);
  if (known !== undefined) return known;
  // Programs can make sites without end, by `eval`.
  if (gates.size >= MOST_KEYS) gates.clear();
  const gate = new ReportGate();
  gates.set(key, gate);
  return gate;
}

const MOST_KEYS = 1024;
