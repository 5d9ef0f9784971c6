// An idle loop, with sources and a far timer. The parent process counts its system calls.
import { IOLoop, Socket } from 'ioloop';

const loop = new IOLoop();
const [mine] = Socket.pair();
loop.addHandler(mine, () => {}, IOLoop.READ);
loop.callLater(3_600, () => {});
process.on('disconnect', () => process.exit());
process.channel.unref();
loop.callLater(0.3, () => process.send('idle'));
await loop.start();
