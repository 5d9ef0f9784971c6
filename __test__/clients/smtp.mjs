// smtp-server on a TCPServer of ours, nodemailer on a stream of ours: plain, and with STARTTLS.
import { readFileSync } from 'node:fs';
import { TCPServer } from 'ioloop';
import { assert, connecting, load, program } from './lib.mjs';

const { SMTPServer } = load('smtp-server');
const nodemailer = load('nodemailer');
const fixture = (name) => readFileSync(new URL(`../fixtures/${name}`, import.meta.url));

await program(async () => {
  const mails = [];
  const smtp = new SMTPServer({
    cert: fixture('server.pem'),
    key: fixture('server.key'),
    authOptional: true,
    onData(stream, { secure }, done) {
      let size = 0;
      stream.on('data', (chunk) => (size += chunk.length));
      stream.on('end', () => {
        mails.push({ secure: Boolean(secure), size });
        done();
      });
    },
  });
  const server = new TCPServer({
    handleStream: (stream) => void smtp.server.emit('connection', stream.toDuplex()),
  });
  server.listen(0, '127.0.0.1');
  const { port } = server.addresses[0];
  for (const secure of [false, true]) {
    const transport = nodemailer.createTransport({
      host: '127.0.0.1',
      port,
      ignoreTLS: !secure,
      requireTLS: secure,
      tls: { rejectUnauthorized: false },
      getSocket: (_, done) => {
        const connection = connecting(port);
        connection.once('connect', () => done(null, { connection }));
      },
    });
    await transport.sendMail({
      from: 'a@example.org',
      to: 'b@example.org',
      subject: 'over the loop',
      text: 'line\n'.repeat(200_000),
    });
    transport.close();
  }
  assert.deepEqual(
    mails.map(({ secure }) => secure),
    [false, true],
  );
  for (const { size } of mails) assert.ok(size > 1_000_000, `${size} bytes`);
  await server.stop();
});
