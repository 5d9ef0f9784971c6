/** A cluster in which the primary and each worker run a loop of their own. */
import cluster from 'node:cluster';
import { IOLoop, Socket } from 'ioloop';

const WORKERS = 2;

if (cluster.isPrimary) await beside();
else await inWorker();

async function beside(): Promise<void> {
  const loop = new IOLoop();
  const said: string[] = [];
  let exited = 0;
  loop.addCallback(() => {
    for (let worker = 0; worker < WORKERS; worker += 1) {
      cluster
        .fork()
        .on('message', (text: string) => said.push(text))
        .on('exit', () => {
          exited += 1;
          if (exited === WORKERS) loop.stop();
        });
    }
  });
  await loop.start();
  console.log(said.join());
}

async function inWorker(): Promise<void> {
  const loop = new IOLoop();
  const [readable, peer] = Socket.pair();
  loop.addHandler(
    readable,
    () => {
      const data = readable.recv(10);
      if (data === null) return;
      process.send?.(data.toString(), () => loop.stop());
    },
    IOLoop.READ,
  );
  loop.callLater(0.005, () => peer.send('hello'));
  await loop.start();
  process.disconnect();
}
