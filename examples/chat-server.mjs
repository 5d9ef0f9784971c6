// A line chat: the first line is one's name, every further one goes to all the others.
//
//   node examples/chat-server.mjs 8888
//   nc 127.0.0.1 8888
import { IOLoop, TCPServer } from 'ioloop';

/** Who is in the room, by name. @type {Map<string, import('ioloop').IOStream>} */
const room = new Map();

/** @param {import('ioloop').IOStream} stream */
async function serve(stream) {
  const name = await ask(stream);
  room.set(name, stream);
  try {
    tell(name, `* ${name} is here`);
    for (;;) tell(name, `<${name}> ${await readLine(stream)}`);
  } finally {
    room.delete(name);
    tell(name, `* ${name} has left`);
  }
}

/** A name that nobody has. @param {import('ioloop').IOStream} stream */
async function ask(stream) {
  for (;;) {
    void stream.write('name? ');
    const name = await readLine(stream);
    if (name !== '' && !room.has(name)) return name;
  }
}

/** @param {import('ioloop').IOStream} stream */
async function readLine(stream) {
  // Somebody who never ends a line is cut off at 1 KiB, somebody silent after an hour.
  const line = await stream.readUntil('\n', { maxBytes: 1024, timeout: { hours: 1 } });
  return line.toString().trim();
}

/** To all but its author. @param {string} author @param {string} line */
function tell(author, line) {
  for (const [name, stream] of room) {
    if (name === author) continue;
    // Not awaited: the slowest reader is not to hold up the room. What it does not read is
    // bounded by maxWriteBufferSize, beyond which it is put out.
    stream.write(`${line}\n`).catch((error) => stream.close(error));
  }
}

const server = new TCPServer({ handleStream: serve, maxWriteBufferSize: 64 * 1024 });
server.listen(Number(process.argv[2] ?? 8888), '127.0.0.1');
console.log(`chat on port ${server.port}`);

process.once('SIGTERM', () => void server.stop().then(() => IOLoop.current().stop()));
await IOLoop.current().start();
