// The time of importing the package, and the CPU and memory of a process that does nothing else. Prints
// a line of JSON: milliseconds, MB. With NAPI_RS_FORCE_WASI=error, of the WebAssembly flavour.
import { performance } from 'node:perf_hooks';

const start = performance.now();
await import('ioloop');
const milliseconds = performance.now() - start;
const { user, system } = process.cpuUsage();
const megabytes = process.memoryUsage.rss() / 1e6;
console.log(JSON.stringify({ milliseconds, cpu: (user + system) / 1e3, megabytes }));
