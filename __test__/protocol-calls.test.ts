/** What the functions of a protocol call: close, end, pause, toStream and others in each of them. */
import test from 'ava';
import { SSLIOStream, type Connection, type IOStream } from 'ioloop';
import { until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { KINDS, withKind, type Kind, type OfKind } from './helpers/protocol-kinds.js';
import { recording, type Functions } from './helpers/protocols.js';
import { closedBy, turns } from './helpers/streams.js';

type Any = Connection<unknown>;
type Name = 'open' | 'data' | 'end' | 'drain' | 'timeout';

const NAMES: readonly Name[] = ['open', 'data', 'end', 'drain', 'timeout'];

/** `deed` in the function `name`, once, and what brings that function about. */
function within(name: Name, deed: (c: Any) => unknown): Functions<unknown> {
  let isDone = false;
  const once = (c: Any): void => {
    if (isDone) return;
    isDone = true;
    c.setTimeout(0);
    deed(c);
  };
  const starts = (c: Any): void => {
    if (name === 'timeout') c.setTimeout(0.001);
    if (name === 'drain') c.write(Buffer.alloc(LARGE));
    if (name === 'open') once(c);
  };
  return { open: starts, ...(name === 'open' ? {} : { timeout: () => {}, [name]: once }) };
}

const LARGE = 3_000_000;

/** Does the peer's part until the function was called. */
async function bringAbout(name: Name, { peer, calls }: OfKind): Promise<void> {
  if (name === 'data' || name === 'end') await peer.write('x').catch(() => {});
  if (name === 'end') await peer.shutdownWrite().catch(() => {});
  if (name === 'drain') await peer.readBytes(LARGE);
  const wanted = name === 'data' ? 'data x' : name;
  await until(() => calls.includes(wanted), wanted);
}

for (const [kindName, kind] of Object.entries<Kind>(KINDS)) {
  for (const how of ['close', 'end'] as const) {
    test(`${kindName}: after ${how}() in each function only close is called`, async (t) => {
      for (const name of NAMES) {
        await onLoop((loop) =>
          withKind(
            loop,
            kind,
            within(name, (c) => c[how]()),
            async (it) => {
              await bringAbout(name, it);
              const before = it.calls.length - (it.calls.at(-1) === 'close' ? 1 : 0);
              await it.peer.write('more').catch(() => {});
              await it.closed();
              await turns(it.peer);
              t.deepEqual(it.calls.slice(before), ['close'], name);
            },
          ),
        );
      }
    });
  }

  test(`${kindName}: pause() in each function stops data and end until resume()`, async (t) => {
    for (const name of NAMES) {
      await onLoop((loop) =>
        withKind(
          loop,
          kind,
          within(name, (c) => c.pause()),
          async (it) => {
            const { peer, calls, connection, closed } = it;
            await bringAbout(name, it);
            t.is(connection.paused, true, name);
            const seen = (): string[] => calls.filter((call) => /^(data|end)/.test(call));
            const before = seen().length;
            if (name !== 'end') {
              await peer.write('more');
              await peer.shutdownWrite();
            }
            await turns(peer, 8);
            t.is(seen().length, before, name);
            connection.resume();
            await closed();
            const rest = name === 'end' ? [] : ['data more', 'end'];
            t.deepEqual(seen().slice(before), rest, name);
            t.is(calls.at(-1), 'close');
          },
        ),
      );
    }
  });

  test(`${kindName}: toStream() in each function goes on as a stream`, async (t) => {
    for (const name of NAMES) {
      const streams: IOStream[] = [];
      await onLoop((loop) =>
        withKind(
          loop,
          kind,
          within(name, (c) => streams.push(c.toStream())),
          async (it) => {
            const { peer, calls, connection } = it;
            await bringAbout(name, it);
            const before = calls.length;
            const [stream] = streams as [IOStream];
            await stream.write('answer');
            t.is(String(await peer.readBytes(6)), 'answer', name);
            if (name !== 'end') {
              await peer.write('question');
              t.is(String(await stream.readBytes(8)), 'question', name);
              await peer.shutdownWrite();
            }
            t.is((await stream.readUntilClose()).length, 0);
            stream.close();
            t.true(connection.closed);
            t.is(calls.length, before, `${name}: ${calls}`);
          },
          { allowHalfOpen: true },
        ),
      );
    }
  });

  test(`${kindName}: another protocol in each function gets everything that follows`, async (t) => {
    for (const name of NAMES) {
      const later: string[] = [];
      const next = recording(later, { data: (c, chunk) => c.write(chunk) });
      await onLoop((loop) =>
        withKind(
          loop,
          kind,
          within(name, (c) => {
            c.protocol = next;
          }),
          async (it) => {
            const { peer, calls } = it;
            await bringAbout(name, it);
            const before = calls.length;
            if (name !== 'end') {
              await peer.write('question');
              t.is(String(await peer.readBytes(8)), 'question', name);
              await peer.shutdownWrite();
            }
            await until(() => later.includes('close'), 'the close');
            t.is(calls.length, before, name);
            const all = name === 'end' ? ['close'] : ['data question', 'end', 'close'];
            t.deepEqual(later, all, name);
          },
        ),
      );
    }
  });

  test(`${kindName}: a reset behind bytes is the error of the stream that takes over`, async (t) => {
    const streams: IOStream[] = [];
    const data = (c: Any, chunk: Buffer): void => {
      c.unread(chunk.length);
      streams.push(c.toStream());
    };
    await onLoop((loop) =>
      withKind(loop, kind, { data }, async ({ peer, cut }) => {
        // The bytes and the reset are in one report; over TLS they may be.
        const sent = peer.write('last words');
        if (peer instanceof SSLIOStream) await sent;
        cut();
        await until(() => streams.length > 0, 'the stream');
        const [stream] = streams as [IOStream];
        const code = (await closedBy(stream.readUntilClose()).catch(() => null))?.code;
        if (kind.hasReset) t.regex(code ?? '', /^(ECONNRESET|ERR_IOLOOP_TLS_TRUNCATED)$/);
        else t.is(code, undefined);
      }),
    );
  });
}
