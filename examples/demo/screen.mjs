// The output of the demo: a progress line, and a table at the end.

const format = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** A live line on a terminal; elsewhere one line a second. */
export function showProgress(seconds) {
  const start = performance.now();
  let shown = -1;
  return {
    update({ opened, received }) {
      const elapsed = (performance.now() - start) / 1e3;
      const part = Math.min(elapsed / seconds, 1);
      const bar = '█'.repeat(Math.round(part * 24)).padEnd(24, '░');
      const line = `${bar} ${format.format(opened)} connections, ${format.format(received)} messages`;
      if (process.stdout.isTTY) process.stdout.write(`\r${line}`);
      else if (Math.floor(elapsed) > shown) console.log(line);
      shown = Math.floor(elapsed);
    },
    end() {
      if (process.stdout.isTTY) process.stdout.write('\n');
    },
  };
}

/** The table of results. */
export function report(result) {
  const { connections, received, elapsed, lost, user, system, rss, p50, p99 } = result;
  const each = (micros) => `${(micros / Math.max(received, 1)).toFixed(2)} µs`;
  const rows = [
    ['connections', format.format(connections)],
    ['messages', format.format(received)],
    ['messages/s', format.format(received / elapsed)],
    ['server CPU per message', `${each(user + system)} (user ${each(user)})`],
    ['latency p50 / p99', `${(p50 / 1e3).toFixed(2)} ms / ${(p99 / 1e3).toFixed(2)} ms`],
    ['server memory', `${(rss / 2 ** 20).toFixed(0)} MiB`],
    ['lost', format.format(lost)],
  ];
  console.log('');
  for (const [name, value] of rows) console.log(`${name.padEnd(24)}${value}`);
}

/** Prints an error and exits. */
export function fail(message, child) {
  console.error(message);
  child.kill();
  process.exit(1);
}
