// `node --import`, for a file of tests, and by inheritance for its workers and child processes. In the
// first, `ava` is that of `ava.mjs`. In the others the package writes what it refuses to a file that the
// tests read.
import { register } from 'node:module';
import { REFUSALS } from './refusals.mjs';

const isOfTests = process.env[REFUSALS] === undefined;
register('./hooks.mjs', import.meta.url, { data: { isOfTests } });
