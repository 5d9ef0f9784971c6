/** The place in the program from which this package was called, for debug mode. */
import { OWN_URL } from './own-url.js';
import module from 'node:module';
import { oneLine } from './one-line.js';

/**
 * The innermost frame of the running stack that belongs neither to this package nor to the runtime,
 * in the form of a stack trace: `name (url:line:column)`, without a name for the top level of a
 * module. `null` if there is none: the host has called the package. Never throws.
 *
 * Source maps apply as in Node's own traces (`--enable-source-maps`). The program's
 * `Error.prepareStackTrace` and `Error.stackTraceLimit` are put aside for the call, as by `depd` and
 * `callsites`. Frozen intrinsics forbid that: the trace of the program's settings is parsed then.
 */
export function callSite(): string | null {
  try {
    const stack = captured();
    const site = Array.isArray(stack) ? siteOfFrames(stack as CallSite[]) : siteInText(stack);
    return site === null ? null : oneLine(site, LONGEST);
  } catch {
    return null;
  }
}

type CallSite = NodeJS.CallSite;

/** The frames; or whatever the program makes of them, if it does not let itself be put aside. */
function captured(): unknown {
  const holder: { readonly stack?: unknown } = {};
  const { prepareStackTrace, stackTraceLimit } = Error;
  setUnlessFrozen('stackTraceLimit', MOST_FRAMES);
  setUnlessFrozen('prepareStackTrace', framesOf);
  try {
    Error.captureStackTrace(holder, callSite);
    // The frames are formatted now, and released: they hold the objects whose methods run.
    return holder.stack;
  } finally {
    setUnlessFrozen('prepareStackTrace', prepareStackTrace);
    setUnlessFrozen('stackTraceLimit', stackTraceLimit);
  }
}

/** Each by itself: a program may freeze one of them. */
function setUnlessFrozen(
  name: 'prepareStackTrace' | 'stackTraceLimit',
  value: ErrorConstructor[typeof name],
): void {
  try {
    (Error as Record<typeof name, unknown>)[name] = value;
  } catch {
    // Frozen.
  }
}

function framesOf(_error: unknown, frames: CallSite[]): CallSite[] {
  return frames;
}

function siteOfFrames(frames: readonly CallSite[]): string | null {
  for (const frame of frames) {
    const file = frame.getFileName();
    if (typeof file !== 'string' || isOwn(file)) continue;
    const name = frame.getFunctionName();
    const place = placeOf(file, frame.getLineNumber() ?? 0, frame.getColumnNumber() ?? 0);
    return name === null || name === '' ? place : `${name} (${place})`;
  }
  return null;
}

/** `file:line:column`, of the source if Node maps sources. */
function placeOf(file: string, line: number, column: number): string {
  const entry = module.findSourceMap?.(file)?.findEntry(line - 1, column - 1);
  return entry === undefined || !('originalSource' in entry)
    ? `${file}:${line}:${column}`
    : `${entry.originalSource}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
}

function siteInText(stack: unknown): string | null {
  if (typeof stack !== 'string') return null;
  for (const [, frame = '', inner] of stack.matchAll(
    /^ +at (?:async )?(.*?([^(\s]*:\d+:\d+)\)?)$/gm,
  )) {
    if (inner !== undefined && !isOwn(inner)) return frame;
  }
  return null;
}

/** Whether a file is one of this package, or of the runtime. */
function isOwn(file: string): boolean {
  return file.startsWith('node:') || OWN.some((folder) => file.startsWith(folder));
}

/** The modules of this package, and the sources that their maps name. */
const OWN = ['.', '../ts/'].map((folder) => new URL(folder, OWN_URL).href);

/** Within the package the stack is shallow; a frame costs about 0.1 µs. */
const MOST_FRAMES = 24;
const LONGEST = 300;
