// The server's process: the example, and an account of what it cost.
import { IOLoop } from 'ioloop';
import { listen } from '../echo-server.mjs';

const loop = IOLoop.current();
const server = listen(Number(process.argv[2]));
const before = process.cpuUsage();
process.on('message', () => {
  const { user, system } = process.cpuUsage(before);
  process.send({ user, system, rss: process.memoryUsage.rss() });
});
// Ends with its parent.
process.on('disconnect', () => process.exit());
const { backend, driver } = loop;
process.send({ ...server.addresses[0], backend, driver });
await loop.start();
