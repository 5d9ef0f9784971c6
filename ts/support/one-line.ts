/** Text of the program on one line of a report. */

/** Without control characters and line ends, and cut to `most` characters. */
export function oneLine(text: string, most: number): string {
  const line = text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}

/** The name of a function. It may be anything: `name` is a property that programs can define. */
export function nameOf(func: unknown): string {
  try {
    const name: unknown = Object.getOwnPropertyDescriptor(func, 'name')?.value;
    return typeof name === 'string' && name !== '' ? oneLine(name, LONGEST_NAME) : ANONYMOUS;
  } catch {
    return ANONYMOUS;
  }
}

const ANONYMOUS = '(anonymous)';
const LONGEST_NAME = 100;
