/** The options of `serveWorkers()`, and their check. */
import { availableParallelism, constants } from 'node:os';
import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { nodeV8 } from '../../support/builtins.js';
import { checkInteger, checkOptions } from '../../support/checks.js';
import { secondsOf, type Duration } from '../../support/duration.js';
import { invalidArgType, invalidArgValue, notCloneable, outOfRange } from '../../support/errors.js';
import type { BindOptions, BindUnixOptions } from '../bind.js';
import { restartPolicy, type RestartOptions, type RestartPolicy } from './restart-policy.js';

/** A TCP port on which a group listens. */
export interface ListenPort extends Omit<BindOptions, 'reusePort'> {
  /** A number, or a string of digits; for 0 the system chooses a port. */
  readonly port: number | string;
  /** As for {@link bindSockets}; by default all interfaces. */
  readonly address?: string | null | undefined;
}

/** A Unix socket on which a group listens. */
export interface ListenPath extends BindUnixOptions {
  /** As for {@link bindUnixSocket}. */
  readonly path: string;
}

/** Where a group listens. */
export type ListenAddress = ListenPort | ListenPath;

/**
 * How connections are distributed over workers.
 *
 * - `'reuse-port'`: each worker has a listener of its own (`SO_REUSEPORT`), and the kernel chooses one
 *   by a hash of the addresses. A Unix socket is shared instead.
 * - `'shared'`: all workers accept on one listener, and the kernel wakes those that sleep.
 * - `'round-robin'`: the thread that has called `serveWorkers()` accepts, and hands each connection
 *   to the next worker.
 * - `'least-connections'`: the same, to the worker that has the fewest connections.
 */
export type Balance = 'reuse-port' | 'shared' | 'round-robin' | 'least-connections';

/** Options of {@link serveWorkers}. */
export interface ServeWorkersOptions {
  /** The number of workers; by default, and for 0, as many as there are CPUs. */
  readonly workers?: number | undefined;
  /** Whether workers are threads of this process (the default) or processes. */
  readonly runtime?: 'worker_threads' | 'child_process' | undefined;
  /**
   * Where the group listens: a port on all interfaces, an address, or a list of both. Without it the
   * workers listen by themselves, if at all.
   */
  readonly listen?: number | ListenAddress | readonly (number | ListenAddress)[] | undefined;
  /** By default `'reuse-port'` on Linux and `'shared'` elsewhere. */
  readonly balance?: Balance | undefined;
  /**
   * Longest time in which a worker that is stopped finishes its connections, in seconds or as a
   * duration; by default 30. Those that are left are closed then.
   */
  readonly drain?: number | Duration | undefined;
  /** Whether and how crashed workers are replaced. By default true. */
  readonly restart?: boolean | RestartOptions | undefined;
  /**
   * For {@link WorkerTask.data} of each worker: a value that structured clone can copy, which this call
   * does. Processes share no `SharedArrayBuffer`.
   */
  readonly data?: unknown;
  /**
   * Signals of this process that close the group; by default SIGTERM and SIGINT. A second one ends the
   * process at once. Ignored in a worker thread, which gets no signals.
   */
  readonly signals?: readonly NodeJS.Signals[] | undefined;
  /** The environment of the workers; by default that of this process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Options of Node for the workers, as in `process.execArgv`; by default those of this process. */
  readonly execArgv?: readonly string[] | undefined;
  /**
   * Longest time in which a worker has to become ready, in seconds or as a duration; by default 60. One
   * that does not is killed, which counts as a crash.
   */
  readonly startTimeout?: number | Duration | undefined;
}

/** The checked options. */
export interface GroupSettings {
  /** A URL. */
  readonly module: string;
  readonly workers: number;
  readonly runtime: 'worker_threads' | 'child_process';
  readonly listen: readonly ListenAddress[];
  readonly balance: Balance;
  /** Seconds. */
  readonly drain: number;
  readonly restart: RestartPolicy;
  readonly data: unknown;
  readonly signals: readonly NodeJS.Signals[];
  readonly env: Readonly<Record<string, string | undefined>> | undefined;
  readonly execArgv: readonly string[] | undefined;
  /** Seconds. */
  readonly startTimeout: number;
}

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`. */
export function groupSettings(module: unknown, options: ServeWorkersOptions): GroupSettings {
  checkOptions(options);
  const { runtime = 'worker_threads', balance = DEFAULT_BALANCE, data, env } = options;
  oneOf('runtime', runtime, RUNTIMES);
  oneOf('balance', balance, BALANCES);
  const isHandedOver = balance === 'round-robin' || balance === 'least-connections';
  if (isHandedOver && runtime === 'child_process') {
    const expected = "'reuse-port' or 'shared': connections are handed over to threads only";
    throw invalidArgValue('balance', balance, expected);
  }
  return {
    module: moduleUrl(module),
    workers: workerCount('workers', options.workers),
    runtime,
    listen: listenAddresses(options.listen),
    balance,
    drain: checkDrain(options.drain),
    restart: restartPolicy(options.restart),
    data: copyOf(data, runtime),
    signals: checkSignals(options.signals),
    env: checkEnv(env),
    execArgv: checkExecArgv(options.execArgv),
    startTimeout: checkSpan('startTimeout', options.startTimeout, START_TIMEOUT),
  };
}

/** `undefined` and 0 are the number of CPUs. @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`. */
export function workerCount(name: string, count: number | null | undefined): number {
  const wanted = checkInteger(name, count ?? 0, 0, MOST_WORKERS);
  return wanted === 0 ? availableParallelism() : wanted;
}

/** Seconds. @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`. */
export function checkDrain(drain: number | Duration | undefined): number {
  return checkSpan('drain', drain, DEFAULT_DRAIN);
}

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`. */
export function checkSignals(signals: unknown): readonly NodeJS.Signals[] {
  if (signals === undefined) return DEFAULT_SIGNALS;
  if (!Array.isArray(signals)) throw invalidArgType('signals', signals, 'an array of signal names');
  for (const signal of signals) {
    const isSignal = typeof signal === 'string' && Object.hasOwn(constants.signals, signal);
    if (isSignal && !UNCATCHABLE.has(signal)) continue;
    throw invalidArgValue(
      'signals',
      signal,
      "names of signals that can be caught, such as 'SIGTERM'",
    );
  }
  return [...new Set(signals as NodeJS.Signals[])];
}

function moduleUrl(module: unknown): string {
  if (module instanceof URL) return module.href;
  if (typeof module !== 'string') throw invalidArgType('module', module, 'a URL or a string');
  if (isAbsolute(module)) return pathToFileURL(module).href;
  if (URL.canParse(module)) return module;
  const expected = "a URL or an absolute path: new URL('./server.mjs', import.meta.url)";
  throw invalidArgValue('module', module, expected);
}

function listenAddresses(listen: ServeWorkersOptions['listen']): readonly ListenAddress[] {
  if (listen === undefined) return [];
  const all = Array.isArray(listen) ? (listen as (number | ListenAddress)[]) : [listen];
  return all.map((each) => {
    if (typeof each === 'number') return { port: each };
    const isAddress = typeof each === 'object' && each !== null;
    // Their contents are checked by `bindSockets()`.
    if (isAddress && ('port' in each || 'path' in each)) return each;
    throw invalidArgType('listen', each, 'a port, { port, address } or { path }');
  });
}

/**
 * `value` in seconds, or `otherwise` if it is `undefined`.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`.
 */
export function checkSpan(
  name: string,
  value: number | Duration | undefined,
  otherwise: number,
): number {
  if (value === undefined) return otherwise;
  const seconds = secondsOf(value, name);
  if (seconds >= 0 && seconds <= LONGEST_SPAN) return seconds;
  throw outOfRange(name, value, `from 0 to ${LONGEST_SPAN} seconds`);
}

function checkEnv(env: unknown): GroupSettings['env'] {
  if (env === undefined || (typeof env === 'object' && env !== null)) {
    return env as GroupSettings['env'];
  }
  throw invalidArgType('env', env, 'an object');
}

function checkExecArgv(execArgv: unknown): readonly string[] | undefined {
  if (execArgv === undefined) return undefined;
  const isList = Array.isArray(execArgv) && execArgv.every((each) => typeof each === 'string');
  if (!isList) throw invalidArgType('execArgv', execArgv, 'an array of strings');
  return [...(execArgv as string[])];
}

/** What all workers get, the later ones too. @throws `ERR_IOLOOP_NOT_CLONEABLE`. */
function copyOf(data: unknown, runtime: GroupSettings['runtime']): unknown {
  try {
    // Processes have no shared memory.
    if (runtime === 'child_process') nodeV8().serialize(data);
    return structuredClone(data);
  } catch (error) {
    throw notCloneable(error);
  }
}

function oneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (allowed.includes(value as string)) return;
  const list = allowed.map((each) => `'${each}'`);
  throw invalidArgValue(name, value, `${list.slice(0, -1).join(', ')} or ${list.at(-1)}`);
}

const RUNTIMES = ['worker_threads', 'child_process'] as const;
const BALANCES = ['reuse-port', 'shared', 'round-robin', 'least-connections'] as const;
const DEFAULT_BALANCE: Balance = process.platform === 'linux' ? 'reuse-port' : 'shared';
const DEFAULT_SIGNALS: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT'];
const UNCATCHABLE: ReadonlySet<string> = new Set(['SIGKILL', 'SIGSTOP']);
const MOST_WORKERS = 1024;

/** Seconds. */
const DEFAULT_DRAIN = 30;
const START_TIMEOUT = 60;
const LONGEST_SPAN = 1e6;
