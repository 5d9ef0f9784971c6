// ioredis: large values, pipelines, subscriptions, and reconnecting when the server closes.
import { once } from 'node:events';
import { assert, connecting, load, portOf, program } from './lib.mjs';

const { AbstractConnector, Redis } = load('ioredis');
const port = portOf('REDIS');

class LoopConnector extends AbstractConnector {
  constructor() {
    super(1000);
  }

  async connect() {
    this.connecting = true;
    this.stream = connecting(port);
    await once(this.stream, 'connect');
    return this.stream;
  }
}

await program(async () => {
  const redis = new Redis({ Connector: LoopConnector, retryStrategy: () => 10 });
  redis.on('error', () => {});
  const large = 'x'.repeat(8_000_000);
  await redis.set('large', large);
  assert.equal(await redis.get('large'), large);
  const pipeline = redis.pipeline();
  for (let index = 0; index < 5000; index += 1) pipeline.incr('counter');
  const results = await pipeline.exec();
  assert.equal(results.length, 5000);
  const subscriber = redis.duplicate();
  await subscriber.subscribe('news');
  const message = once(subscriber, 'message');
  await redis.publish('news', 'hello');
  assert.deepEqual(await message, ['news', 'hello']);
  // It learns of the end by 'close', and connects anew.
  const admin = redis.duplicate();
  const again = once(redis, 'ready');
  const id = await redis.client('ID');
  await admin.client('KILL', 'ID', id);
  await again;
  assert.equal(await redis.getrange('large', 0, 2), 'xxx');
  assert.notEqual(await redis.client('ID'), id);
  for (const client of [redis, subscriber, admin]) client.disconnect();
});
