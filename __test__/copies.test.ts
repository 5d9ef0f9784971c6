/** Two copies of the package in one process, as `node_modules` may have them, each with its binary. */
import { cpSync, readFileSync } from 'node:fs';
import test from 'ava';
import { BINARY, Project } from './helpers/install.js';

/** The second copy: this tree, with its own binary; or a copy that loads the binary of the first one. */
const SECOND = {
  'with a binary each': import.meta.resolve('ioloop'),
  'on one binary': './node_modules/second/dist/index.js',
} as const;

/** The JSON that a program prints which has both copies as `copies`. */
function withCopies(project: Project, second: string, program: string): unknown {
  project.addBinary(readFileSync(BINARY));
  cpSync(project.module('ioloop'), project.module('second'), { recursive: true });
  const source = `export default [await import('ioloop'), await import('${second}')];`;
  project.write('copies.mjs', source);
  project.write('main.mjs', `import copies from './copies.mjs';\n${program}`);
  const { code, stdout, stderr } = project.run(['main.mjs']);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

test('handles and tokens of another copy are refused, which the message says', (t) => {
  const refusals = withCopies(
    new Project(t),
    SECOND['with a binary each'],
    `
      const loops = copies.map(({ IOLoop }) => new IOLoop());
      const [first, second] = loops.map((loop) => loop.remote());
      const [socket, peer] = copies[1].Socket.pair();
      const token = socket.detach();
      const codes = [
        () => copies[0].IOLoop.fromRemote(second),
        () => copies[1].IOLoop.fromRemote(first),
        () => copies[0].Socket.attach(token),
      ].map((call) => {
        try { return String(call()); }
        catch ({ code, message }) { return [code, message.includes('of this copy of ioloop')]; }
      });
      copies[1].Socket.attach(token).close();
      peer.close();
      for (const loop of loops) loop.close();
      // Ids are the same: the copies have a table each.
      console.log(JSON.stringify([first.ioloop === second.ioloop, codes]));
    `,
  );
  const refused = ['ERR_INVALID_ARG_VALUE', true];
  t.deepEqual(refusals, [true, [refused, refused, refused]]);
});

for (const [how, second] of Object.entries(SECOND)) {
  test(`two copies in one thread ${how}: transfers go to their loop`, (t) => {
    const project = new Project(t);
    project.write(
      'worker.mjs',
      `
        import { workerData } from 'node:worker_threads';
        import copies from './copies.mjs';
        const remotes = copies.map(({ IOLoop }, index) => IOLoop.fromRemote(workerData[index]));
        for (const byte of [1, 3]) {
          await Promise.all(copies.map(({ transfer }, index) => {
            const { buffer } = Uint8Array.of(byte + index);
            return remotes[index].call('take', transfer(buffer, [buffer]));
          }));
        }
      `,
    );
    const taken = withCopies(
      project,
      second,
      `
        import { once } from 'node:events';
        import { Worker } from 'node:worker_threads';
        const taken = copies.map(() => []);
        const loops = copies.map(({ IOLoop }, index) => {
          const loop = new IOLoop();
          loop.expose('take', (buffer) => void taken[index].push(...new Uint8Array(buffer)));
          return loop;
        });
        const running = loops.map((loop) => loop.start());
        const worker = new Worker('./worker.mjs', { workerData: loops.map((loop) => loop.remote()) });
        await once(worker, 'exit');
        for (const loop of loops) loop.stop();
        await Promise.all(running);
        for (const loop of loops) loop.close();
        console.log(JSON.stringify(taken));
      `,
    );
    t.deepEqual(taken, [
      [1, 3],
      [2, 4],
    ]);
  });
}
