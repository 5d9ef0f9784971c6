/** Options of Node for workers of a program that is given by `--eval`, which is not theirs. */

/** Whether the options are those of a program by `--eval` or `--print`. */
export function isEvaluated(execArgv: readonly string[]): boolean {
  return withoutEval(execArgv).length < execArgv.length;
}

/** The options without the program. */
export function withoutEval(execArgv: readonly string[]): string[] {
  const kept: string[] = [];
  for (let at = 0; at < execArgv.length; at += 1) {
    const option = execArgv[at] as string;
    const [name = '', value] = option.split('=', 2);
    if (!OF_PROGRAM.has(name)) kept.push(option);
    else if (value === undefined) at += 1;
  }
  return kept;
}

/** Each has a value, which follows it or an equals sign: the program, or its type. */
const OF_PROGRAM: ReadonlySet<string> = new Set([
  '-e',
  '--eval',
  '-p',
  '-pe',
  '--print',
  '--input-type',
]);
