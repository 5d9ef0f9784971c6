/** One line of the doctor's report. */

/** `ok`: as it should be. `note`: worth knowing. `warning`: works, and may fail under load. `error`: does not work. */
export type Level = 'ok' | 'note' | 'warning' | 'error';

/** What was found, and what to do about it. */
export interface Finding {
  readonly level: Level;
  readonly name: string;
  readonly value: string;
  /** `null` if there is nothing to do. */
  readonly advice: string | null;
}

/** A finding that needs nothing. */
export function ok(name: string, value: string): Finding {
  return { level: 'ok', name, value, advice: null };
}

/** A finding with advice. */
export function finding(level: Level, name: string, value: string, advice: string): Finding {
  return { level, name, value, advice };
}

/** The findings as text, with the advice below each. */
export function printed(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ name }) => name.length));
  const lines = findings.flatMap(({ level, name, value, advice }) => {
    const line = `${MARKS[level]} ${name.padEnd(width)}  ${value}`;
    return advice === null ? [line] : [line, `${' '.repeat(width + MARK_WIDTH + 3)}${advice}`];
  });
  return `${lines.join('\n')}\n`;
}

/** 1 if something does not work. */
export function exitCodeOf(findings: readonly Finding[]): number {
  return findings.some(({ level }) => level === 'error') ? 1 : 0;
}

const MARK_WIDTH = 7;
const MARKS: Readonly<Record<Level, string>> = {
  ok: 'ok     ',
  note: 'note   ',
  warning: 'warning',
  error: 'error  ',
};
