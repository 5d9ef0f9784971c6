// The time of importing the package, in milliseconds.
import { performance } from 'node:perf_hooks';

const start = performance.now();
await import('ioloop');
console.log(JSON.stringify({ milliseconds: performance.now() - start }));
