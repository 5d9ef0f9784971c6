/** What a loop counts of its streams and acceptors: once per system call, always. */
export class IoCounters {
  /** Bytes that streams have received: those of a turn together. */
  received = 0;
  /** Bytes that streams have sent outside of the send batch. */
  sent = 0;
  /** Reports to streams that are no sources of the selector. */
  reports = 0;
  /** Connections that acceptors have accepted. */
  accepted = 0;
  /** Pauses of acceptors. */
  acceptPauses = 0;
}
