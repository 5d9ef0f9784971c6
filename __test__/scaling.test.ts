/** The figures of docs/scaling.md: those of the benchmarks, and the arithmetic on them. */
import { readFileSync } from 'node:fs';
import test from 'ava';

// Compiled, this file is in `build/__test__`.
const read = (name: string): string =>
  readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
const scaling = read('scaling.md');
const results = read('benchmarks/results.md');

/** The cells of the first row of a table that begins with `label`. */
function row(text: string, label: string): string[] {
  const line = text.split('\n').find((each) => each.startsWith(`| ${label}`)) ?? '';
  return line.split('|').map((cell) => cell.trim());
}

/**
 * By row of docs/scaling.md: its round figure, and the row of docs/benchmarks/results.md, which is at
 * least as good. A run of the benchmarks may have left a row out.
 */
const MEASURED: readonly (readonly [string, string, RegExp, 'least' | 'most'])[] = [
  [
    'messages of 64 bytes',
    'echo 64 B, 1000 connections, streams: messages',
    /([\d,]+) \/s/,
    'least',
  ],
  [
    'messages of 64 bytes',
    'echo 64 B, 1000 connections, streams: user CPU',
    /most (\d+) µs/,
    'most',
  ],
  [
    'HTTP requests',
    'HTTP by node:http on streams, 50 connections: requests',
    /([\d,]+) \/s/,
    'least',
  ],
  ['connections accepted', 'connections that come and go, streams', /([\d,]+) \/s/, 'least'],
  ['CPU of the messages', 'CPU a message of 100 connections, beside', /× (\d+) µs/, 'most'],
];

for (const [label, benchmark, words, bound] of MEASURED) {
  test(`${label}: the measured figure is as good (${benchmark})`, (t) => {
    const figure = number(words.exec(row(scaling, label).join(' '))?.[1]);
    t.true(figure > 0);
    const measured = row(results, benchmark)[2];
    if (measured === undefined) {
      t.pass();
      return;
    }
    const [value] = measured.split(' ');
    t.true(bound === 'least' ? number(value) >= figure : number(value) <= figure, measured);
  });
}

function number(text: string | undefined): number {
  return Number(text?.replaceAll(',', '') ?? Number.NaN);
}

const PORTS = 60_999 - 32_768 + 1;
const RATE = 10_000;
const SIGNATURES = 3_670;
const MILLION = 1e6;

/** The chance that one of four loops has none of eight connections: inclusion and exclusion. */
const EMPTY = 4 * 0.75 ** 8 - 6 * 0.5 ** 8 + 4 * 0.25 ** 8;

/** A figure, its words in docs/scaling.md, and its value. */
const CALCULATED: readonly (readonly [string, RegExp, number])[] = [
  ['the connections of a pair of addresses', /which are ([\d,]+) connections\./, PORTS],
  [
    'the new connections of a pair in a second',
    /a pair has 28,232 \/ 60 = (\d+) new/,
    Math.floor(PORTS / 60),
  ],
  [
    'the pause that fills a backlog of 128',
    /128 are used up by a pause of the loop of (\d+) ms/,
    (1e3 * 128) / RATE,
  ],
  ['the pause that fills a backlog of 4,096', /4,096 by one of (\d+) ms/, (1e3 * 4096) / RATE],
  ['the deviation of SO_REUSEPORT', /2,000 ± (\d+)/, Math.sqrt(2000 * 0.75)],
  ['the chance of a loop without a connection', /gets none in (\d+) % of all cases/, 100 * EMPTY],
  [
    'the memory of a million connections',
    /10⁶ × 1,500 bytes +\| ([\d.]+) GB/,
    (MILLION * 1_500) / 1e9,
  ],
  [
    'the kernel memory of a million connections',
    /10⁶ × 3\.8 kB +\| ([\d.]+) GB/,
    (MILLION * 3_800) / 1e9,
  ],
  [
    'the time in which a million connects',
    /10⁶ \/ \(8 × 10,000 \/s\) +\| (\d+) s/,
    MILLION / (8 * RATE),
  ],
  [
    'the time of a million RSA signatures',
    /10⁶ \/ \(8 × 3,670 \/s\) +\| (\d+) s/,
    MILLION / (8 * SIGNATURES),
  ],
  [
    'the pairs for a million connections',
    /10⁶ \/ 28,232 +\| (\d+) pairs/,
    Math.ceil(MILLION / PORTS),
  ],
  [
    'the CPU of the messages of a million',
    /10⁶ \/ 30 s × 20 µs .*?\| ([\d.]+) of a core/,
    (MILLION / 30) * 20e-6,
  ],
  [
    'the kernel memory of a connection',
    /The kernel's ([\d.]+) kB/,
    (2_368 + 832 + 192 + 192 + 128 + 64) / 1e3,
  ],
];

for (const [name, words, value] of CALCULATED) {
  test(`${name} is ${value.toFixed(1)}`, (t) => {
    const text = words.exec(scaling)?.[1];
    const figure = Number(text?.replace(',', ''));
    const digits = text?.split('.')[1]?.length ?? 0;
    t.is(figure, Number(value.toFixed(digits)), `${value}`);
  });
}
