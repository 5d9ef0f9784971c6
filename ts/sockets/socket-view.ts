/** A socket for display: neither exposes its descriptor nor fails if it is closed. */
import { native } from '../boundary/native.js';
import { addressBuffer, addressText, decodeAddress } from './address.js';
import type { Descriptor } from './descriptor.js';

/** The members that are shown. */
export interface SocketView {
  /** -1 if the socket is closed; `null` if it has no descriptor. */
  readonly fd: number | null;
  /** `null` if the socket is closed. */
  readonly local: string | null;
  /** `null` if the socket is not connected, or closed. */
  readonly remote: string | null;
}

/** The view of the socket that has `descriptor`. */
export function viewOfDescriptor(descriptor: Descriptor): SocketView {
  const fd = descriptor.peek();
  const local = fd < 0 ? fd : native.socketLocalAddress(fd, scratch);
  const localText = local < 0 ? null : addressText(decodeAddress(scratch));
  const peer = fd < 0 ? fd : native.socketPeerAddress(fd, scratch);
  const remoteText = peer < 0 ? null : addressText(decodeAddress(scratch));
  return { fd, local: localText, remote: remoteText };
}

/** Written by the core, read at once. */
const scratch = addressBuffer();
