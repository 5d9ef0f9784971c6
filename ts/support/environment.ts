/** Environment variables, which a runtime may forbid (Deno without `--allow-env`) or not have. */

/** An environment variable; `undefined` where the runtime forbids the question. */
export function environment(name: string): string | undefined {
  try {
    const value = process.env[name];
    return value === '' ? undefined : value;
  } catch {
    return undefined;
  }
}
