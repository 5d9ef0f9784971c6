/** The errors of failed TLS handshakes, by which a server recognises that its peer is the cause. */

const failures = new WeakSet<Error>();

/** Notes the error with which a handshake has failed. */
export function noteHandshakeFailure(error: Error): void {
  failures.add(error);
}

/** Whether `startTls()` has rejected with `error`, after the handshake had begun. */
export function isHandshakeFailure(error: unknown): boolean {
  return error instanceof Error && failures.has(error);
}
