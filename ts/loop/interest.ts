/** The events of a handler, as a program passes them. */
import { native } from '../boundary/native.js';
import { ERROR_OR_HANG_UP, PRI, READ, WRITE } from '../boundary/readiness.js';
import { invalidArgValue, unsupported } from '../support/errors.js';

const ALL = READ | PRI | WRITE | ERROR_OR_HANG_UP;

/** @throws `ERR_INVALID_ARG_VALUE`; `ERR_IOLOOP_UNSUPPORTED` for PRI where there is none. */
export function checkEvents(events: number): number {
  if (!Number.isInteger(events) || (events & ~ALL) !== 0) {
    throw invalidArgValue('events', events, 'a union of IOLoop.READ, WRITE, PRI and ERROR');
  }
  if ((events & PRI) !== 0 && !native.HAS_PRIORITY) {
    throw unsupported('IOLoop.PRI', 'Leave it out: only Linux reports exceptional conditions');
  }
  return events;
}
