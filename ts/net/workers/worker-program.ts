/**
 * The program of a worker of `serveWorkers()`: runs the default export of a module on the loop of its
 * thread or process.
 *
 * | State | Next |
 * | --- | --- |
 * | starting | working: the module is loaded; draining: an order, or a signal |
 * | working | draining: an order, a signal, or the end of the supervisor; over: the loop was stopped |
 * | draining | over: the connections are closed |
 * | over | the thread or process ends |
 *
 * A failure of the module or its program ends it with code 1.
 */
import { setMaxListeners } from 'node:events';
import { constants } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { invalidArgType, notCloneable } from '../../support/errors.js';
import { IOLoop } from '../../loop/ioloop.js';
import { valuesOfFailure } from '../../loop/remote-failure.js';
import { countConnections, drainServers } from '../listening.js';
import type { TCPServer } from '../tcp-server.js';
import { HandedOver } from './handed-over.js';
import type { Beginning, Order } from './messages.js';
import { onSignals } from './group-signals.js';
import { becomeTask } from './task.js';
import { exitWithin, linkOfProcess, linkOfThread } from './worker-link.js';
import { WorkerTask, type WorkerMain } from './worker-task.js';

const enum State {
  Starting,
  Working,
  Draining,
  Over,
}

let state = State.Starting;
const stopping = new AbortController();
// One for each connection that ends when the worker does.
setMaxListeners(0, stopping.signal);
const loop = IOLoop.current();
/** Seconds. */
let longestDrain = 0;

const handedOver = new HandedOver((report) => {
  link.report(report);
});
const link = isMainThread ? linkOfProcess(obey, orphaned) : linkOfThread(obey);
// The supervisor of a process may be out of reach, and another one may have sent the signal.
onSignals(['SIGTERM', 'SIGINT'], (signal) => {
  // Not 0, which is a worker that has done its work and is not replaced.
  if (state !== State.Draining) process.exitCode = 128 + constants.signals[signal];
  void drain(longestDrain);
});

function obey(order: Order): void {
  switch (order.type) {
    case 'begin':
      void begin(order.beginning);
      return;
    case 'drain':
      process.exitCode = 0;
      void drain(order.seconds);
      return;
    case 'connections':
      handedOver.receive(order.tokens);
      return;
    case 'inspect': {
      const figures = { connections: countConnections(), metrics: loop.metrics() };
      link.report({ type: 'inspected', query: order.query, figures });
    }
  }
}

async function begin(beginning: Beginning): Promise<void> {
  longestDrain = beginning.drain;
  becomeTask(beginning);
  try {
    const { default: main } = (await import(beginning.module)) as { default?: unknown };
    if (typeof main !== 'function') {
      throw invalidArgType(`default of ${beginning.module}`, main, 'a function, the WorkerMain');
    }
    if (state === State.Starting) {
      state = State.Working;
      const listen = (server: TCPServer): void => {
        if (beginning.isHandedOver) handedOver.serve(server);
        link.report({ type: 'ready', capacity: server.maxConnections });
      };
      const task = new WorkerTask(beginning, loop, stopping.signal, !isMainThread, listen);
      loop.addCallback(() => run(main as WorkerMain, task));
      await loop.start();
    }
    if (state !== State.Over) end();
  } catch (error) {
    fail(error);
  }
}

async function run(main: WorkerMain, task: WorkerTask): Promise<void> {
  try {
    await main(task);
    // Unless it has listened, which has said so.
    link.report({ type: 'ready', capacity: null });
  } catch (error) {
    fail(error);
  }
}

async function drain(seconds: number): Promise<void> {
  if (state === State.Over) return;
  if (state === State.Draining) {
    await drainServers(seconds);
    return;
  }
  const hasBegun = state === State.Working;
  state = State.Draining;
  try {
    const drained = drainServers(seconds);
    link.report({ type: 'stopped' });
    stopping.abort();
    await drained;
  } catch (error) {
    fail(error);
  }
  if (hasBegun) loop.stop();
  // Its module may never be loaded.
  else end();
}

function orphaned(): void {
  exitWithin(longestDrain);
  void drain(longestDrain);
}

/** Ends when nothing is left to do, and soon in any case: a timer of the program may be left. */
function end(): void {
  state = State.Over;
  link.close();
  setTimeout(() => process.exit(), LINGER).unref();
}

function fail(error: unknown): void {
  link.report({ type: 'failed', failure: plain(valuesOfFailure(error)) });
  // The report of a process is sent by then.
  setImmediate(() => process.exit(1));
  if (isMainThread) console.error(error);
}

/** Anything can be thrown. */
function plain(values: unknown[]): unknown[] {
  try {
    return structuredClone(values);
  } catch (error) {
    return valuesOfFailure(notCloneable(error));
  }
}

/** Milliseconds. */
const LINGER = 1000;
