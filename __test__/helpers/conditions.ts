/** Tests that need something of the system. Where it is missing, the title of the skipped test has it. */
import { spawnSync } from 'node:child_process';
import { native } from '#internal';
import test, { type ExecutionContext } from 'ava';

type Body = (t: ExecutionContext) => unknown;
type Test = (title: string, body: Body) => void;

/** `test`, where `holds`; `needs` says what is missing elsewhere. */
export function testIf(holds: boolean, needs: string): Test {
  return runIf(test, holds ? [] : [needs]);
}

/** The same for `test.serial`. */
export function serialIf(holds: boolean, needs: string): Test {
  return runIf(test.serial, holds ? [] : [needs]);
}

/** `test`, where the commands are installed. */
export function testWith(...commands: readonly string[]): Test {
  return runIf(test, missing(commands));
}

/** `testWith` for `test.serial`: for tests that change the capacities. */
export function serialWith(...commands: readonly string[]): Test {
  return runIf(test.serial, missing(commands));
}

/** `test`, where the backend is this one: for what only its selector has. */
export function testOn(backend: 'epoll' | 'kqueue' | 'poll', ...commands: readonly string[]): Test {
  const absent = native.backend() === backend ? [] : [backend];
  return runIf(test, [...absent, ...missing(commands)]);
}

/** The same for `test.serial`. */
export function serialOn(backend: 'epoll' | 'kqueue' | 'poll'): Test {
  return serialIf(native.backend() === backend, backend);
}

function runIf(run: (title: string, body: never) => void, absent: readonly string[]): Test {
  return (title, body) => {
    if (absent.length === 0) run(title, body as never);
    else test.skip(`${title} (needs ${absent.join(', ')})`, body as never);
  };
}

function missing(commands: readonly string[]): string[] {
  return commands.filter((command) => !works(command));
}

/** strace may be installed and not permitted; of the others the existence is enough. */
function works(command: string): boolean {
  const [program, args] =
    command === 'strace' ? [command, ['-o', '/dev/null', 'true']] : ['which', [command]];
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}
