// node-postgres: queries, 5 MB in one row, notifications, a back end that is terminated.
import { once } from 'node:events';
import { assert, load, portOf, program, unconnected, until } from './lib.mjs';

const pg = load('pg');
const options = {
  host: '127.0.0.1',
  port: portOf('POSTGRES'),
  user: 'postgres',
  database: 'postgres',
  stream: unconnected,
};

await program(async () => {
  const client = new pg.Client(options);
  await client.connect();
  assert.equal((await client.query('select $1::int + 1 as sum', [41])).rows[0].sum, 42);
  const large = await client.query("select repeat('x', 5000000) as text");
  assert.equal(large.rows[0].text.length, 5_000_000);
  const bytes = Buffer.alloc(2_000_000, 7);
  const echoed = await client.query('select $1::bytea as bytes', [bytes]);
  assert.ok(bytes.equals(echoed.rows[0].bytes));
  const notified = once(client, 'notification');
  await client.query('listen news');
  const pool = new pg.Pool({ ...options, max: 5 });
  const numbers = await Promise.all(
    Array.from({ length: 200 }, (_, index) => pool.query('select $1::int as n', [index])),
  );
  assert.deepEqual(
    numbers.map(({ rows }) => rows[0].n),
    numbers.map((_, index) => index),
  );
  await pool.query("notify news, 'hello'");
  assert.equal((await notified)[0].payload, 'hello');
  let ended = false;
  client.on('error', () => {});
  client.on('end', () => (ended = true));
  await pool.query('select pg_terminate_backend($1)', [client.processID]);
  await until(() => ended, 'the end of the terminated client');
  await pool.end();
});
