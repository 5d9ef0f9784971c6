/** The runtime, and environment variables, which it may forbid (Deno without `--allow-env`) or not have. */

/** An environment variable; `undefined` where the runtime forbids the question. */
export function environment(name: string): string | undefined {
  try {
    const value = process.env[name];
    return value === '' ? undefined : value;
  } catch {
    return undefined;
  }
}

/** Whether this runtime has a usable libuv. Asks the runtime, not libuv. */
export function hasLibuv(): boolean {
  return process.versions['bun'] === undefined && !('Deno' in globalThis);
}
