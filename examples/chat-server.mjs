// A line chat: the first line is the user's name, every later one is sent to all others.
//
//   node examples/chat-server.mjs 8888
//   nc 127.0.0.1 8888
import { IOLoop, TCPServer } from 'ioloop';

/** The connected users, by name. @type {Map<string, import('ioloop').IOStream>} */
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

/** Asks until the name is free. @param {import('ioloop').IOStream} stream */
async function ask(stream) {
  for (;;) {
    void stream.write('name? ');
    const name = await readLine(stream);
    if (name !== '' && !room.has(name)) return name;
  }
}

/** @param {import('ioloop').IOStream} stream */
async function readLine(stream) {
  // A line of more than 1 KiB closes the stream, and so does an hour of silence.
  const line = await stream.readUntil('\n', { maxBytes: 1024, timeout: { hours: 1 } });
  return line.toString().trim();
}

/** Sends a line to all users but its author. @param {string} author @param {string} line */
function tell(author, line) {
  for (const [name, stream] of room) {
    if (name === author) continue;
    // Not awaited, so that a slow reader does not delay the others. Its unread lines are bounded
    // by maxWriteBufferSize; beyond that the write rejects, and its stream is closed.
    stream.write(`${line}\n`).catch((error) => stream.close(error));
  }
}

const server = new TCPServer({ handleStream: serve, maxWriteBufferSize: 64 * 1024 });
server.listen(Number(process.argv[2] ?? 8888), '127.0.0.1');
console.log(`chat on port ${server.port}`);

process.once('SIGTERM', () => void server.stop().then(() => IOLoop.current().stop()));
await IOLoop.current().start();
