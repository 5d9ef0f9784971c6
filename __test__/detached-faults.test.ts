/** `detach()` and `attach()` that fail leave all as it was; unusual kinds of descriptors. */
import test from 'ava';
import { descriptorOf } from '#internal';
import { IOLoop, IOStream, Socket } from 'ioloop';
import { runChild } from './helpers/child.js';
import { testWith } from './helpers/fds.js';
import { caught } from './helpers/sockets.js';
import { pythonOpens } from './helpers/special-fds.js';
import { withPair } from './helpers/streams.js';

testWith('prlimit')(
  'detach() of a number that was read needs one: EMFILE leaves the stream as it was',
  async (t) => {
    const { code, stdout, stderr } = await runChild(
      `
      import { execFileSync } from 'node:child_process';
      import { closeSync, openSync } from 'node:fs';
      import { IOLoop, IOStream, Socket } from 'ioloop';
      const loop = new IOLoop();
      const [first, second] = Socket.pair();
      const [idle] = Socket.pair();
      const near = new IOStream(first, { loop });
      const far = new IOStream(second, { loop });
      await loop.runSync(async () => {
        await far.write('unread');
        await near.peek(6);
        near.fileno();
        idle.fd;
        execFileSync('prlimit', ['--pid', process.pid, '--nofile=100:']);
        const held = [];
        try {
          for (;;) held.push(openSync('/dev/null'));
        } catch {}
        const codes = [];
        for (const file of [near, idle]) {
          try {
            file.detach();
          } catch ({ code, syscall }) {
            codes.push(code, syscall);
          }
        }
        codes.push(Socket.detachedCount, near.closed, idle.closed);
        // A private number moves without another one.
        const there = IOStream.attach(far.detach(), { loop });
        for (const fd of held) closeSync(fd);
        const attached = IOStream.attach(near.detach(), { loop });
        Socket.attach(idle.detach()).close();
        await there.write(' and more');
        codes.push(String(await attached.readBytes(15)));
        console.log(JSON.stringify(codes));
      });
      process.exit(0);
    `,
    );
    t.is(code, 0, stderr);
    const refusals = ['EMFILE', 'detach', 'EMFILE', 'detach'];
    t.deepEqual(JSON.parse(stdout), [...refusals, 0, false, false, 'unread and more']);
  },
);

test('attach() that cannot register puts the token back', (t) =>
  withPair(async (near, far, loop) => {
    await far.write('unread');
    await near.peek(6);
    const number = descriptorOf(near.socket)?.use() as number;
    const token = near.detach();
    // The descriptor is open, in the table: other code could register it by its number.
    loop.addHandler(number, () => {}, IOLoop.PRI);
    for (const _ of [1, 2]) {
      t.is(caught(() => IOStream.attach(token, { loop })).code, 'EEXIST');
      t.is(Socket.detachedCount, 1);
    }
    loop.removeHandler(number);
    const attached = IOStream.attach(token, { loop });
    await far.write('.');
    t.is(String(await attached.readBytes(7)), 'unread.');
    t.is(Socket.detachedCount, 0);
    attached.close();
  }));

testWith('python3')('a socket with messages moves, and does not become a stream', async (t) => {
  const stdout = await pythonOpens(
    t,
    `a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
fds += [a.fileno(), b.fileno()]`,
    `
      const [receiver, sender] = args.map((fd) => Socket.fromFd(Number(fd)));
      sender.send('a message');
      const token = receiver.detach();
      const seen = [];
      try {
        IOStream.attach(token, { loop });
      } catch ({ code }) {
        seen.push(code, Socket.detachedCount);
      }
      seen.push(String(Socket.attach(token).recv(100)));
      console.log(seen.join());
    `,
  );
  t.is(stdout, 'ERR_IOLOOP_UNSUPPORTED,1,a message\n');
});

testWith('python3')('a terminal moves', async (t) => {
  const stdout = await pythonOpens(
    t,
    `import tty
a, b = os.openpty()
tty.setraw(b)
fds += [a, b]`,
    `
      const [near, far] = args.map((fd) => IOStream.fromFd(Number(fd), { loop }));
      await loop.runSync(async () => {
        await far.write('one two');
        const seen = [String(await near.readBytes(3))];
        const attached = IOStream.attach(near.detach(), { loop });
        await far.write(' three');
        seen.push(String(await attached.readBytes(10)));
        await attached.write('back');
        seen.push(String(await far.readBytes(4)));
        far.close();
        seen.push((await attached.readUntilClose()).length);
        console.log(seen.join());
      });
    `,
  );
  t.is(stdout, 'one, two three,back,0\n');
});
