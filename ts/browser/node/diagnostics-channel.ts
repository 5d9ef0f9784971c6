/** `node:diagnostics_channel`, without subscribers. */

const silent = { hasSubscribers: false, publish: (): void => {} };

export default { channel: (): typeof silent => silent };
