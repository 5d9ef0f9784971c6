/**
 * The thread that takes the stack of a blocked main thread: the program of a worker. It waits for
 * questions of `crates/ioloop-napi/src/watchdog`, and answers each one.
 *
 * A session of the inspector pauses the main thread at its next check for interrupts: in a loop, in
 * a regular expression and in `Atomics.wait()` at once, in a native function when that returns. The
 * thread is paused for the time of two messages, and asked where its function was handed to the loop:
 * `origins.ts` has that in debug mode.
 *
 * | State of a question | Next |
 * | --- | --- |
 * | asked to enable and to pause | enabled; held: the thread is paused already, by a debugger |
 * | enabled | paused: the stack is the answer; missed: the block is over |
 */
import { Session, type Debugger, type InspectorNotification } from 'node:inspector';
import { native } from '../boundary/native.js';

/** Milliseconds from the answer to the pause within which the thread has to be paused. */
const PAUSE_LIMIT = 250;

/** Milliseconds. */
const ORIGIN_LIMIT = 20;

interface Answer {
  readonly place: string | null;
  readonly stack: string | null;
  /** Where the function was handed to the loop, in debug mode. */
  readonly origin: string | null;
  readonly reason: string | null;
  readonly isHeld: boolean;
}

let last: Promise<void> = Promise.resolve();

native.watchdogSample((question) => {
  last = last.then(async () => {
    const { place, stack, origin, reason, isHeld } = await take(question);
    native.watchdogAnswer(question, place, stack, origin, reason, isHeld);
  });
});

/** Takes the stack. Resolves when the main thread has run JavaScript, which may take as long as it likes. */
function take(question: number): Promise<Answer> {
  const session = new Session();
  return new Promise((resolve) => {
    const urls = new Map<string, string>();
    let isEnabled = false;
    let isDone = false;
    const end = (answer: Answer): void => {
      if (isDone) return;
      isDone = true;
      session.disconnect();
      resolve(answer);
    };
    try {
      session.connectToMainThread();
      session.on('Debugger.scriptParsed', ({ params }) => {
        urls.set(params.scriptId, params.url);
      });
      session.on(
        'Debugger.paused',
        ({ params }: InspectorNotification<Debugger.PausedEventDataType>) => {
          // An earlier pause is that of a debugger, which goes on after the end of this session.
          if (!isEnabled) end({ ...NOTHING, isHeld: true });
          if (isDone) return;
          const isBlocked = native.watchdogBlocked(question);
          const top = params.callFrames[0];
          if (!isBlocked || top === undefined) {
            session.post('Debugger.resume');
            end(MISSED);
            return;
          }
          const { callFrameId } = top;
          const expression = `globalThis[Symbol.for('ioloop.origin')]?.() ?? null`;
          session.post(
            'Debugger.evaluateOnCallFrame',
            { callFrameId, expression, silent: true, timeout: ORIGIN_LIMIT },
            (_error, reply) => {
              const { result } = (reply ?? {}) as Partial<Debugger.EvaluateOnCallFrameReturnType>;
              const value: unknown = result?.value;
              const origin = typeof value === 'string' ? value : null;
              session.post('Debugger.resume');
              end({ ...describe(params.callFrames, urls), origin });
            },
          );
        },
      );
      // Both at once: a function that returns soon must not return between the two.
      session.post('Debugger.enable', () => {
        isEnabled = true;
      });
      session.post('Debugger.pause', () => {
        setTimeout(end, PAUSE_LIMIT, MISSED);
      });
    } catch (error) {
      resolve({ ...NOTHING, reason: `the inspector cannot be used (${String(error)})` });
    }
  });
}

/** The function that blocks: the first of the program that this package or Node has called. */
function describe(
  frames: readonly Debugger.CallFrame[],
  urls: ReadonlyMap<string, string>,
): Answer {
  const all = frames.map((frame) => {
    const url = urls.get(frame.location.scriptId) ?? frame.url;
    const { functionName, location } = frame;
    const at = `${url}:${location.lineNumber + 1}:${(location.columnNumber ?? 0) + 1}`;
    const isOurs = url.startsWith('node:') || url.startsWith(OWN);
    return { at, isOurs, name: functionName === '' ? '(anonymous)' : functionName };
  });
  let outermost = all.length - 1;
  while (outermost > 0 && all[outermost]?.isOurs === true) outermost -= 1;
  const entered = all[outermost];
  return {
    ...NOTHING,
    place: entered === undefined ? null : `${entered.name} (${entered.at})`,
    stack: all.map(({ name, at }) => `    at ${name} (${at})`).join('\n'),
  };
}

/** The folder of this package's modules. */
const OWN = new URL('.', import.meta.url).href;

const NOTHING: Answer = { place: null, stack: null, origin: null, reason: null, isHeld: false };
const MISSED: Answer = { ...NOTHING, reason: 'the block was over before JavaScript was reached' };
