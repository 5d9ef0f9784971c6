// What has to hold on every runtime, with nothing but the package: ava does not run on all of them.
// Prints TAP. `scripts/matrix.mjs` runs it under Bun and Deno.
import { IOLoop, PeriodicCallback, Socket } from 'ioloop';

const facts = {
  async 'a handler is called for each message'(loop) {
    const [mine, theirs] = Socket.pair();
    let messages = 0;
    loop.addHandler(
      theirs,
      () => {
        if (theirs.recv(100) === null) return;
        messages += 1;
        if (messages < 1_000) mine.send('again');
        else loop.stop();
      },
      IOLoop.READ,
    );
    mine.send('first');
    await loop.start();
    loop.removeHandler(theirs);
    return messages === 1_000;
  },
  async 'what a handler leaves unread is reported again'(loop) {
    const [mine, theirs] = Socket.pair();
    let text = '';
    loop.addHandler(
      theirs,
      () => {
        text += theirs.recv(1) ?? '';
        if (text.length === 5) loop.stop();
      },
      IOLoop.READ,
    );
    mine.send('hello');
    await loop.start();
    loop.removeHandler(theirs);
    return text === 'hello';
  },
  async 'timeouts run in the order of their deadlines'(loop) {
    const order = [];
    for (const delay of [0.02, 0.01, -1]) loop.callLater(delay, () => order.push(delay));
    loop.callLater(0.03, () => loop.stop());
    await loop.start();
    return order.join() === '-1,0.01,0.02';
  },
  async 'a periodic callback is called until it is stopped'(loop) {
    let calls = 0;
    const periodic = new PeriodicCallback(() => {
      calls += 1;
      if (calls < 3) return;
      periodic.stop();
      loop.stop();
    }, 2);
    periodic.start();
    await loop.start();
    return calls === 3;
  },
  async 'runSync gives a result and keeps to its timeout'(loop) {
    const value = await loop.runSync(async () => 42);
    const code = await loop
      .runSync(() => new Promise(() => {}), { timeout: 0.01 })
      .catch((error) => error.code);
    return value === 42 && code === 'ERR_IOLOOP_TIMEOUT';
  },
};

let number = 0;
for (const [title, fact] of Object.entries(facts)) {
  const loop = new IOLoop({ makeCurrent: true });
  const holds = await fact(loop);
  loop.close();
  number += 1;
  console.log(`${holds ? 'ok' : 'not ok'} ${number} - ${title}`);
}
console.log(`1..${number}`);
