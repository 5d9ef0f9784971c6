/**
 * The transport on a descriptor where the selector reports no changes (`poll(2)`): it reports READ
 * and WRITE once, and again after the transport has found the descriptor drained.
 */
import type { Pipe } from '../boundary/pipes.js';
import type { Block } from '../boundary/receive-blocks.js';
import { capabilities } from '../boundary/capabilities.js';
import { native } from '../boundary/native.js';
import { READ, WRITE } from '../boundary/readiness.js';
import { FdTransport } from './fd-transport.js';

/** {@link FdTransport} that asks for the next report. */
class RearmedTransport extends FdTransport {
  override read(buffer: Buffer, offset: number, length: number): number {
    const result = super.read(buffer, offset, length);
    if (!this.readable) this.rearm(READ);
    return result;
  }

  override fill(pipe: Pipe, most: number, to: number): number {
    const result = super.fill(pipe, most, to);
    if (!this.readable) this.rearm(READ);
    return result;
  }

  override collect(bits: number, result: number, block: Block, start: number): void {
    super.collect(bits, result, block, start);
    if (result !== NOT_RECEIVED && !this.readable) this.rearm(READ);
  }

  override onFull(): void {
    this.rearm(WRITE);
  }
}

/** The transport on a descriptor, for the selector of this system. */
export const DescriptorTransport: typeof FdTransport = capabilities.edges
  ? FdTransport
  : RearmedTransport;

const { NOT_RECEIVED } = native;
