/**
 * The memory that reads go into: blocks that are filled from front to back, so that a result is a
 * view of what was read, never copied and never written to again.
 *
 * Per thread, and used between two lines of JavaScript: nothing runs meanwhile.
 */

/** Memory in blocks. A block lives as long as a result that lies in it. */
export class ReceiveBuffer {
  /** Where the next read goes: to `block`, from `offset` on. */
  block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  offset = 0;

  /**
   * Makes room for a read of up to `size` bytes; gives how many it may bring. That is less than
   * `size` only at the end of a block, and then still half a usual block.
   */
  reserve(size: number): number {
    const room = this.block.length - this.offset;
    if (room >= size) return size;
    if (room >= BLOCK_BYTES / 2) return room;
    this.block = Buffer.allocUnsafeSlow(Math.max(size, BLOCK_BYTES));
    this.offset = 0;
    return size;
  }

  /** The `count` bytes that were read. */
  take(count: number): Buffer {
    const { block, offset } = this;
    const end = offset + count;
    this.offset = end;
    return block.subarray(offset, end);
  }
}

const BLOCK_BYTES = 64 * 1024;
