import { readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import test from 'ava';
import { errors, table } from '#internal';
import { IOLoopError, TimeoutError } from 'ioloop';

const { EBADF, ECONNREFUSED, EADDRINUSE } = constants.errno;

test('the page lists the codes of the table, with their classes', async (t) => {
  const page = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  const sections = [...page.matchAll(/^## (ERR_\w+)\n\n`(\w+)`/gm)];
  const listed = sections.map(([, code, base]) => `${code} ${base}`).toSorted();
  const known = Object.entries(table).map(([code, { base }]) => `${code} ${base}`);
  t.deepEqual(listed, known.toSorted());
});

test('every error is of the class that the table names', (t) => {
  const made = [
    errors.invalidArgType('callback', 1, 'a function'),
    errors.invalidArgValue('how', 'in', "'read' or 'write'"),
    errors.outOfRange('port', 70_000, 'from 0 to 65535'),
    errors.closedLoop(),
    errors.noBinding('s390x', 'There is none', 'Build it', 'Linux', undefined),
    errors.currentExists(),
    errors.runningLoop('start'),
    errors.runningLoop('close'),
    errors.stoppedEarly(),
    errors.badYield(1),
    errors.fdRegistered(1, () => {}, null),
    errors.closedDeadlines(),
    errors.fileShrank(1, 2),
    errors.fdBusy(1),
    errors.fdUnknown(1),
    errors.invalidSubclass(1),
    errors.unsupported('This', 'Use that'),
    errors.alreadyReading('readBytes', 'readUntil'),
    errors.unsatisfiableRead('delimiter', '\n', 10),
    errors.bufferDetached('readInto', 5),
    errors.bufferFull('read', 10),
    errors.bufferFull('write', 10),
    errors.badProxyHeader('its checksum is wrong'),
    errors.streamBusy('startTls()', 'a read waits'),
    errors.serverState('The server was stopped'),
    errors.tlsTruncated(),
    errors.inboxFull(),
    errors.otherProcess('loop', 1),
    errors.otherProcess('token', 1),
    errors.workersState('The group was closed'),
    errors.workersFailed('worker 0 cannot begin', null),
    errors.notExposed('name'),
    errors.detachedError('stream'),
    errors.attachedBefore({}),
    errors.senderEnded({}),
    errors.socketBusy('detach()', 'needs a socket without a handler'),
    errors.notCloneable(new Error('() => {} could not be cloned.')),
    errors.streamClosed(null),
    errors.streamEnded(true),
    errors.streamEnded(false),
    new TimeoutError('Operation timed out after 1 seconds'),
  ];
  for (const error of made) {
    const { code } = error as Error & { code: keyof typeof table };
    t.is(error.name, table[code].base, code);
    t.is(error instanceof IOLoopError, code.startsWith('ERR_IOLOOP_'), code);
    t.true(error.message.length > 10, code);
  }
  const codes = made.map((error) => (error as Error & { code: string }).code);
  t.deepEqual([...new Set(codes)].toSorted(), Object.keys(table).toSorted());
});

test('a message names the argument, what it must be and what it was', (t) => {
  const { message } = errors.invalidArgType('callback', { a: 1 }, 'a function');
  t.is(message, '"callback" must be a function. Received { a: 1 }');
});

test('a message stays short and on one line, whatever the value is', (t) => {
  const values = [
    'x'.repeat(1e5),
    Array.from({ length: 1e5 }, () => 'long enough'),
    Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`key${at}`, at])),
    new Error('with\na\nstack'),
    Symbol('s'),
    10n,
    null,
    undefined,
  ];
  for (const value of values) {
    const { message } = errors.outOfRange('value', value, 'small');
    t.true(message.length < 140, message);
    t.false(message.includes('\n'));
  }
});

test('fdRegistered names the number and the handler that stays', (t) => {
  function firstHandler(): void {}
  t.regex(errors.fdRegistered(12, firstHandler, null).message, /12 .*firstHandler/);
  t.regex(
    errors.fdRegistered(12, firstHandler, 'a.mjs:1:2').message,
    /, registered at a\.mjs:1:2\. /,
  );
});

test('stoppedEarly starts as the documentation says', (t) => {
  t.true(errors.stoppedEarly().message.startsWith('Event loop stopped before'));
});

test('a TimeoutError has its code, its cause and its name', (t) => {
  const cause = new Error('cause');
  const error = new TimeoutError('late', { cause });
  t.is(error.code, 'ERR_IOLOOP_TIMEOUT');
  t.is(error.cause, cause);
  t.is(error.name, 'TimeoutError');
  t.true(error instanceof IOLoopError);
  t.false('cause' in new TimeoutError('late'));
});

test('a stream that an error of OpenSSL has closed names the reason and its code', (t) => {
  const alert = Object.assign(
    new Error('80DC:error:0A00045C:SSL routines:ssl3_read_bytes:…:907:'),
    {
      code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      reason: 'tlsv13 alert certificate required',
    },
  );
  t.is(
    errors.streamClosed(alert).message,
    'Stream is closed: tlsv13 alert certificate required (ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED)',
  );
});

test('a system error has the form of those of Node', (t) => {
  const error = errors.systemError(-ECONNREFUSED, 'connect', { address: '127.0.0.1', port: 80 });
  t.is(error.message, 'connect ECONNREFUSED 127.0.0.1:80');
  t.like(error, {
    errno: -ECONNREFUSED,
    code: 'ECONNREFUSED',
    syscall: 'connect',
    address: '127.0.0.1',
    port: 80,
  });
  t.false('fd' in error);
});

test('a system error names an IPv6 address in brackets', (t) => {
  const error = errors.systemError(-EADDRINUSE, 'bind', { fd: 3, address: '::1', port: 80 });
  t.is(error.message, 'bind EADDRINUSE [::1]:80');
});

test('a system error names the path', (t) => {
  const error = errors.systemError(-EADDRINUSE, 'bind', { path: '/tmp/a' });
  t.is(error.message, 'bind EADDRINUSE /tmp/a');
  t.is(error.path, '/tmp/a');
});

test('EBADF says that the descriptor is closed', (t) => {
  t.regex(errors.systemError(-EBADF, 'recv', { fd: 5 }).message, /^recv EBADF fd 5: .*closed/);
});

test('an unknown errno is still an error', (t) => {
  t.regex(errors.systemError(-9999, 'recv').message, /9999/);
});
