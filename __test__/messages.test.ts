/** Sockets with messages: what does not fit into the room of a read is lost. */
import { testWith } from './helpers/conditions.js';
import { pythonOpens } from './helpers/special-fds.js';

const testPython = testWith('python3');

/** Python that makes `a`, which receives, and `b`, which sends. */
const KINDS = {
  SOCK_SEQPACKET: 'a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)',
  'Unix datagrams': 'a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)',
  UDP: `a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
a.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
a.bind(('127.0.0.1', 0))
b.connect(a.getsockname())`,
};

for (const [name, pair] of Object.entries(KINDS)) {
  testPython(`${name}: recv() cuts nothing off, wherever a block ends`, async (t) => {
    const stdout = await pythonOpens(
      t,
      `${pair}
b.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
fds += [a.fileno(), b.fileno()]`,
      `
      const [receiver, sender] = args.map((fd) => Socket.fromFd(Number(fd)));
      const wrong = [];
      // Steps of 1,021: the reads begin everywhere in a block.
      for (let length = 1; length < 65_000; length += 1_021) {
        const message = Buffer.alloc(length, length);
        sender.send(message);
        const received = receiver.recv(65_536);
        if (received === null || !received.equals(message)) wrong.push([length, received?.length]);
      }
      console.log(JSON.stringify(wrong));
      `,
    );
    t.is(stdout, '[]\n');
  });
}
