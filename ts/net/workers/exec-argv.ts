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
    if (EVAL.has(option)) at += 1;
    else if (!option.startsWith('--input-type')) kept.push(option);
  }
  return kept;
}

/** Each is followed by a program. */
const EVAL: ReadonlySet<string> = new Set(['-e', '--eval', '-p', '-pe', '--print']);
