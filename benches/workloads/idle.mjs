// An idle loop: it runs, with sources and a far timer, and nothing happens. Its parent looks at the
// system calls that the process makes meanwhile.
import { IOLoop, Socket } from 'ioloop';

const loop = new IOLoop();
const [mine] = Socket.pair();
loop.addHandler(mine, () => {}, IOLoop.READ);
loop.callLater(3_600, () => {});
process.on('disconnect', () => process.exit());
process.channel.unref();
loop.callLater(0.3, () => process.send('idle'));
await loop.start();
