// mqtt.js: 500 messages at QoS 1 through mosquitto, and through aedes on a TCPServer of ours, which
// drops the client once: it connects again.
import { once } from 'node:events';
import { TCPServer } from 'ioloop';
import { assert, connecting, load, program, until } from './lib.mjs';

const mqtt = load('mqtt');
const aedes = load('aedes');

/** @param {number} port */
async function exchange(port) {
  const client = new mqtt.MqttClient(() => connecting(port), {
    reconnectPeriod: 20,
    clientId: 'c',
  });
  await once(client, 'connect');
  await client.subscribeAsync('topic', { qos: 1 });
  let received = 0;
  client.on('message', () => (received += 1));
  const payload = 'p'.repeat(1000);
  await Promise.all(
    Array.from({ length: 500 }, () => client.publishAsync('topic', payload, { qos: 1 })),
  );
  await until(() => received >= 500, 'the messages');
  return client;
}

await program(async () => {
  const port = process.env.CLIENTS_MOSQUITTO_PORT;
  if (port === undefined)
    console.log(`without mosquitto: ${process.env.CLIENTS_MOSQUITTO_MISSING}`);
  else await (await exchange(Number(port))).endAsync();
  const broker = aedes.Aedes?.createBroker ? await aedes.Aedes.createBroker() : aedes();
  const server = new TCPServer({
    handleStream: (stream) => void broker.handle(stream.toDuplex()),
  });
  server.listen(0, '127.0.0.1');
  const client = await exchange(server.addresses[0].port);
  // A destroyed connection with unread bytes is reset, which the client emits as 'error'.
  client.on('error', (error) => assert.equal(Reflect.get(error, 'code'), 'ECONNRESET'));
  const again = new Promise((resolve) => client.once('connect', resolve));
  broker.clients?.c?.conn.destroy();
  await again;
  const after = once(client, 'message');
  await client.publishAsync('topic', 'after', { qos: 1 });
  assert.equal(String((await after)[1]), 'after');
  // The message is acknowledged when its listeners have returned.
  await new Promise((resolve) => setImmediate(resolve));
  await client.endAsync();
  assert.ok(client.disconnected || !client.connected);
  broker.close();
});
