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

/** By row of docs/scaling.md: the row of docs/benchmarks/results.md, and its figure. */
const MEASURED: readonly (readonly [string, string, string])[] = [
  ['messages of 64 bytes', 'echo 64 B, 1000 connections, streams: messages', '132,000 /s'],
  ['messages of 64 bytes', 'echo 64 B, 1000 connections, streams: user CPU', '1.86 µs'],
  ['HTTP requests', 'HTTP by node:http on streams, 50 connections: requests', '81,200 /s'],
  ['connections accepted', 'connections that come and go, streams', '25,600 /s'],
  ['memory of an idle connection', 'memory of an idle connection, of 18000, streams', '2,660 '],
  ['memory of an idle connection', 'memory of an idle connection, of 18000, handlers', '494 '],
];

for (const [label, benchmark, figure] of MEASURED) {
  test(`${label}: ${figure.trim()} is the figure of the benchmarks`, (t) => {
    t.true(row(results, benchmark)[2]?.startsWith(figure), row(results, benchmark)[2]);
    t.true(row(scaling, label)[2]?.includes(figure.trim()), row(scaling, label)[2]);
  });
}

const PORTS = 60_999 - 32_768 + 1;
const RATE = 25_600;
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
    /10⁶ × 2,660 bytes +\| ([\d.]+) GB/,
    (MILLION * 2_660) / 1e9,
  ],
  [
    'the kernel memory of a million connections',
    /10⁶ × 3\.8 kB +\| ([\d.]+) GB/,
    (MILLION * 3_800) / 1e9,
  ],
  [
    'the time in which a million connects',
    /10⁶ \/ \(8 × 25,600 \/s\) +\| (\d+) s/,
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
    /10⁶ \/ 30 s × 6\.1 µs .*?\| ([\d.]+) of a core/,
    (MILLION / 30) * 6.1e-6,
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
