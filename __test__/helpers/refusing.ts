/** Addresses that refuse connections. */

/**
 * A port of the loopback interface on which no program listens. That of a server that was closed may be
 * given to the next one, of a test that runs beside; a port below 1,024 is not.
 */
export const REFUSING_PORT = 1;
