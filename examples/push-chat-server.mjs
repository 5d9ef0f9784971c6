// The chat of chat-server.mjs on a protocol: the first line is the user's name, every later one is sent
// to all others.
//
//   node examples/push-chat-server.mjs 8888
//   nc 127.0.0.1 8888
import { IOLoop, lines, TCPServer } from 'ioloop';

/** @typedef {import('ioloop').Connection<{ name: string }>} User */

/** The connected users, by name. @type {Map<string, User>} */
const room = new Map();

/** @param {User} user @param {Buffer} line */
function onLine(user, line) {
  const text = line.toString().trim();
  const { name } = user.state;
  if (name !== '') tell(name, `<${name}> ${text}`);
  else if (text === '' || room.has(text)) user.write('name? ');
  else enter(user, text);
}

/** @param {User} user @param {string} name */
function enter(user, name) {
  user.state.name = name;
  room.set(name, user);
  tell(name, `* ${name} is here`);
}

/** Sends a line to all users but its author. @param {string} author @param {string} line */
function tell(author, line) {
  for (const [name, user] of room) {
    if (name === author) continue;
    // A slow reader does not delay the others. One that lets its lines pile up is closed.
    if (!user.write(`${line}\n`) && !user.closed) user.close(new Error('does not read'));
  }
}

const server = new TCPServer({
  protocol: {
    state: () => ({ name: '' }),
    open(user) {
      user.write('name? ');
      user.setTimeout({ hours: 1 });
    },
    // A line of more than 1 KiB closes the connection.
    data: lines(onLine, { maxLength: 1024 }),
    close({ state: { name } }) {
      if (room.delete(name)) tell(name, `* ${name} has left`);
    },
  },
});
server.listen(Number(process.argv[2] ?? 8888), '127.0.0.1');
console.log(`chat on port ${server.port}`);

process.once('SIGTERM', () => void server.stop().then(() => IOLoop.current().stop()));
await IOLoop.current().start();
