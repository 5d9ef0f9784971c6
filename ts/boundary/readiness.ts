/**
 * The bits of an interest and of a report, as `crates/ioloop/src/reactor/interest.rs` has them.
 * READ, PRI, WRITE, and ERROR together with HANG_UP, have Tornado's values.
 */
import { native } from './native.js';

/** No interest: errors and hang-up are reported all the same. */
export const NONE = 0;
/** Data, a connection to accept, or EOF. */
export const READ = 0x001;
/**
 * An exceptional condition (`EPOLLPRI`). It is reported together with {@link READ}, asked for or
 * not: a read stops short at an urgent mark.
 */
export const PRI = 0x002;
/** Room to write, or the end of a connection attempt. */
export const WRITE = 0x004;
/** An error is pending (`EPOLLERR`). */
export const ERROR = 0x008;
/** Both directions are closed (`EPOLLHUP`). */
export const HANG_UP = 0x010;
/** The peer has closed its writing side (`EPOLLRDHUP`): EOF follows the data, without an event. */
export const READ_CLOSED = 0x020;

/** Tornado's `ERROR`: a handler sees an error and a hang-up as one. */
export const ERROR_OR_HANG_UP = 0x018;

/** A stale registration: its number was closed elsewhere. Its last report, without other bits. */
export const STALE = native.READY_STALE;

/** Bit of an interest: each change is reported once. */
export const EDGE = native.INTEREST_EDGE;
/** Bit of an interest: other code may close the number, so each report is verified. */
export const VERIFY = native.INTEREST_VERIFY;
