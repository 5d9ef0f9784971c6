// The children of `npm run test:workers`.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A child, and orders to it: one at a time, each with one answer. */
export class Child {
  /** @param {string} name @param {string[]} args */
  constructor(name, args = []) {
    const file = fileURLToPath(new URL(`${name}.mjs`, import.meta.url));
    // Crashes that are asked for are warned about.
    this.process = fork(file, args, { execArgv: ['--no-warnings'], stdio: [0, 1, 2, 'ipc'] });
    this.exit = once(this.process, 'exit');
  }

  async next() {
    const [answer] = await Promise.race([
      once(this.process, 'message'),
      this.exit.then(([code, signal]) => {
        throw new Error(`a child has ended: ${signal ?? code}`);
      }),
    ]);
    return answer;
  }

  async ask(order) {
    const answer = this.next();
    this.process.send(order);
    return answer;
  }
}
