/** The lines of `NODE_DEBUG=ioloop`. */
import { debuglog } from 'node:util';

/** Look at `enabled` first: the arguments are not made then either. */
export const debug = debuglog('ioloop');
