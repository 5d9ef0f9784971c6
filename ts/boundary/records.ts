/**
 * Lists of records of a header and bytes, as `crates/ioloop-napi/src/remote/mod.rs` writes them: the
 * commands that a loop takes, and the replies that a caller takes.
 */

/** Bytes of a header: three little-endian `u32`. */
const HEADER = 12;

/** Visits the records of a list, in order, each once: {@link next} moves to the first one. */
export class Records {
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Command: the index of the function. Reply: the number of the call. */
  first = 0;
  /** Command: the number of the reply, or 0. Reply: the status. */
  second = 0;
  /** The bytes of the record are from here... */
  start = 0;
  /** ...to here. */
  end = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Moves to the next record; false after the last one. */
  next(): boolean {
    const at = this.end;
    if (at >= this.bytes.length) return false;
    const { view } = this;
    this.first = view.getUint32(at, true);
    this.second = view.getUint32(at + 4, true);
    this.start = at + HEADER;
    this.end = this.start + view.getUint32(at + 8, true);
    return true;
  }
}
