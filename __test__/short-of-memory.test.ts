/**
 * Sends that fail with `ENOBUFS` or `ENOMEM`, injected by strace: the kernel has no event for the
 * end of that, so the stream tries again by itself, and loses nothing.
 */
import { failing, runFailing, served } from './helpers/faults.js';
import { testWith } from './helpers/conditions.js';

/** Small writes and large ones, of several streams, to readers that compare every byte. */
const WORK = `
  import { IOLoop, IOStream, Socket } from 'ioloop';
  const loop = IOLoop.current();
  const reports = [];
  loop.handleCallbackException = (_, error) => reports.push(String(error));
  const seen = { messages: 0, wrong: 0, large: 0, closed: 0 };
  await loop.runSync(async () => {
    const carry = async (at) => {
      const [near, far] = Socket.pair().map((socket) => new IOStream(socket));
      for (let count = 0; count < 20; count += 1) {
        const text = 'message ' + at + ':' + count + ';';
        const written = [near.write(text.slice(0, 5)), near.write(text.slice(5))];
        if (String(await far.readBytes(text.length)) === text) seen.messages += 1;
        else seen.wrong += 1;
        await Promise.all(written);
      }
      const large = Buffer.alloc(300_000, at + 1);
      const written = near.write([large, 'end']);
      const got = await far.readBytes(large.length);
      if (got.equals(large) && String(await far.readBytes(3)) === 'end') seen.large += 1;
      await written;
      if (near.closed) seen.closed += 1;
      near.close();
      far.close();
    };
    await Promise.all([0, 1, 2].map(carry));
  }, { timeout: 40 });
  console.log(JSON.stringify([seen, reports]));
  process.exit(0);
`;

// libuv makes none of these calls here.
const CALLS = 'sendto,sendmsg';

for (const [code, nth] of [
  ['ENOBUFS', '1+2'],
  ['ENOMEM', '2+3'],
  ['ENOBUFS', '1..6'],
] as const) {
  testWith('strace')(`sends that fail with ${code} (${nth}) are tried again`, async (t) => {
    const result = await runFailing(WORK, failing(CALLS, code, nth));
    const seen = { messages: 60, wrong: 0, large: 3, closed: 0 };
    t.deepEqual(served(t, result), [seen, []]);
  });
}
