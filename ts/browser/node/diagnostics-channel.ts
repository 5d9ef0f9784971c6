/** `node:diagnostics_channel`, whose channels nobody can subscribe to. */

const silent = { hasSubscribers: false, publish: (): void => {} };

export default { channel: (): typeof silent => silent };
