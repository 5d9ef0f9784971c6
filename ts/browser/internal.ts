/** As `internal.ts`, for the tests in a browser, with the globals that they need. */
export * from '../internal.js';
export { Buffer, process } from './globals.js';
