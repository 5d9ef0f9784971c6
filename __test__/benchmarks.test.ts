// The questions of the benchmarks are data. A row or plot of samples that no case gives would be
// left out of the report without notice, and so would a target that no row has.
import test from 'ava';

interface Cell {
  readonly of: string;
  readonly peer: string;
  readonly value: string;
}
type Part = Partial<Cell>;
interface Target {
  readonly kind: 'times' | 'share' | 'own';
  readonly bound: number;
  readonly number: number | null;
}
interface Row {
  readonly name: string;
  readonly against: string;
  readonly ratio?: object;
  readonly target?: Target;
}
interface Plot {
  readonly id: string;
  readonly title: string;
  readonly best?: 'least' | 'most';
  readonly categories: readonly string[];
  readonly series: readonly { readonly data: readonly number[] }[];
}
interface Question {
  readonly name: string;
  readonly cases: readonly { readonly key: string; readonly peers: readonly string[] }[];
  readonly rows: readonly (Cell & {
    readonly name: string;
    readonly against?: readonly string[] | Record<string, string | Part>;
    readonly targets?: Record<string, Target>;
    readonly target?: Target;
  })[];
  readonly plots?: readonly (Part & {
    readonly id: string;
    readonly categories: readonly (readonly [string, Part])[];
    readonly series: readonly (readonly [string, Part])[];
  })[];
}
type Samples = Map<string, Map<string, Record<string, number>[]>>;

const folder = new URL('../../benches/', import.meta.url);
const { QUESTIONS, questionsOf } = (await import(new URL('questions/index.mjs', folder).href)) as {
  QUESTIONS: readonly string[];
  questionsOf(names: readonly string[], options: object): Question[];
};
const { ECHO_PEERS, RUNTIMES, WATCHERS } = (await import(
  new URL('lib/peers.mjs', folder).href
)) as Record<string, readonly string[]>;
const { plotsOf, rowsOf } = (await import(new URL('lib/question.mjs', folder).href)) as {
  rowsOf(question: Question, samples: Samples): Row[];
  plotsOf(question: Question, samples: Samples): Plot[];
};
const { TARGETS } = (await import(new URL('lib/targets.mjs', folder).href)) as {
  TARGETS: Map<number, string>;
};
const { ofTargets } = (await import(new URL('lib/plan.mjs', folder).href)) as {
  ofTargets(question: Question): Question;
};
const { columns, targetsTable } = (await import(new URL('lib/table.mjs', folder).href)) as {
  columns(titles: readonly string[], lines: readonly (readonly string[])[]): string;
  targetsTable(rows: readonly Row[], layout: typeof columns): string;
};
const { CELLS, PLOTS, ROWS } = (await import(new URL('report/short.mjs', folder).href)) as {
  CELLS: readonly (Cell & { readonly question: string })[];
  PLOTS: readonly string[];
  ROWS: readonly (readonly [title: string, row: string, ...labels: string[]])[];
};
const { sorted } = (await import(new URL('report/plots.mjs', folder).href)) as {
  sorted(plot: Plot): Plot;
};

for (const quick of [false, true]) {
  const options = { quick, seconds: 1, peers: ECHO_PEERS, runtimes: RUNTIMES, watchers: WATCHERS };
  for (const question of questionsOf(QUESTIONS, options)) {
    // Cases may need a program that is not installed.
    if (question.cases.length === 0) continue;
    const title = `benchmark ${question.name}${quick ? ', quick' : ''}`;

    test(`${title}: rows name peers of a case, and targets a label`, (t) => {
      for (const row of question.rows) {
        const labels = labelled(row.against ?? []);
        for (const override of [{}, ...labels.map(([, part]) => part)]) {
          const { of, peer } = { ...row, ...override };
          // The quick questions have fewer cases.
          if (quick && !question.cases.some(({ key }) => key === of)) continue;
          t.true(hasPeer(question, of, peer), `${row.name}: ${peer} of ${of}`);
        }
        const known = new Set(labels.map(([label]) => label));
        for (const label of Object.keys(row.targets ?? {})) t.true(known.has(label), row.name);
      }
    });

    test(`${title}: samples make rows and plots`, (t) => {
      const samples = samplesOf(question, () => 1);
      const expected = question.rows.flatMap(({ name, against }) =>
        against === undefined ? [name] : labelled(against).map(() => name),
      );
      const rows = rowsOf(question, samples).map(({ name }) => name);
      if (quick) t.true(rows.length > 0 && rows.every((name) => expected.includes(name)));
      else t.deepEqual(rows, expected);
      const figures = plotsOf(question, samples).map(({ series }) =>
        series.map(({ data }) => data),
      );
      for (const data of figures.flat()) t.true(data.some((value) => value === 1));
    });
  }
}

const questions = questionsOf(QUESTIONS, {
  quick: false,
  seconds: 1,
  peers: ECHO_PEERS,
  runtimes: RUNTIMES,
  watchers: WATCHERS,
});

test('every target has a row, and every row with a number is of a target', (t) => {
  const targets = questions.flatMap(({ rows }) =>
    rows.flatMap((row) => [
      ...Object.values(row.targets ?? {}),
      ...(row.target === undefined ? [] : [row.target]),
    ]),
  );
  const numbers = targets.flatMap(({ number }) => number ?? []);
  t.deepEqual(
    [...new Set(numbers)].toSorted((a, b) => a - b),
    [...TARGETS.keys()],
  );
  t.deepEqual(
    [...TARGETS.keys()],
    Array.from({ length: 12 }, (_, at) => at + 1),
  );
});

test('a run of the targets has the samples of each target, and of what the README shows', (t) => {
  const measured = questions.map((question) => ofTargets(question));
  for (const { question: name, of, peer } of CELLS) {
    const question = measured.find((each) => each.name === name);
    t.true(question !== undefined && hasPeer(question, of, peer), `${peer} of ${of}`);
  }
  const rows = measured.flatMap((question) =>
    rowsOf(
      question,
      samplesOf(question, () => 1),
    ),
  );
  for (const [, name, ...labels] of ROWS) {
    for (const label of labels) {
      if (name.startsWith('redis') && !hasCases('redis')) continue;
      t.true(
        rows.some((row) => row.name === name && row.against === label),
        `${name} against ${label}`,
      );
    }
  }
  const all = questions.flatMap((question) =>
    rowsOf(
      question,
      samplesOf(question, () => 1),
    ),
  );
  const withNumber = (row: Row): boolean => typeof row.target?.number === 'number';
  t.deepEqual(
    rows.filter(withNumber).map(({ name, against }) => `${name}, ${against}`),
    all.filter(withNumber).map(({ name, against }) => `${name}, ${against}`),
  );
  const plots = measured.flatMap((question) =>
    plotsOf(
      question,
      samplesOf(question, () => 1),
    ),
  );
  for (const id of PLOTS) {
    if (id !== 'redis' || hasCases('redis'))
      t.true(
        plots.some((plot) => plot.id === id),
        id,
      );
  }
});

test('the table of the targets has ratios as the target is written, and what was not measured', (t) => {
  const ours = new Set(['protocol']);
  const rows = questions
    .filter(({ name }) => name === 'echo')
    .flatMap((question) =>
      rowsOf(
        question,
        samplesOf(question, (peer) => (ours.has(peer) ? 1 : 4)),
      ),
    );
  const lines = targetsTable(rows, columns).split('\n');
  t.regex(
    lines.find((line) => line.startsWith('1 ') && line.includes('node:net')) ?? '',
    /0\.250 \(0\.250–0\.250\) +≤ 0\.14 × node:net +missed$/,
  );
  t.regex(
    lines.find((line) => line.startsWith('1 ') && line.includes('Bun')) ?? '',
    /≤ 0\.55 × Bun\.listen +met$/,
  );
  t.regex(
    lines.find((line) => line.startsWith('2 ') && line.includes('bare epoll')) ?? '',
    /≥ 1\.03 × bare epoll +missed$/,
  );
  for (const number of TARGETS.keys()) {
    t.true(
      lines.some((line) => line.startsWith(`${number} `)),
      `${number}`,
    );
  }
  t.regex(lines.find((line) => line.startsWith('5 ')) ?? '', /not measured$/);
});

test('a run that was interrupted compares the repetitions that both have', (t) => {
  const echo = questions.find(({ name }) => name === 'echo');
  if (echo === undefined) return t.fail();
  const samples = samplesOf(echo, () => 1);
  samples.get('echo 64 B, 50 connections')?.get('protocol')?.push({ user: 9, rate: 9 });
  const row = rowsOf(echo, samples).find(({ against }) => against === 'node:net');
  t.like(row, { ratio: { median: 1, min: 1, max: 1 } });
});

test('bars are sorted, the best first, and one without a figure comes last', (t) => {
  const plot = {
    id: 'x',
    title: 'x',
    categories: ['a', 'b', 'c'],
    series: [{ data: [Number.NaN, 1, 2] }, { data: [7, 8, 9] }],
  };
  t.like(sorted({ ...plot, best: 'least' }), {
    categories: ['b', 'c', 'a'],
    series: [{ data: [1, 2, Number.NaN] }, { data: [8, 9, 7] }],
  });
  t.like(sorted({ ...plot, best: 'most' }), { categories: ['c', 'b', 'a'] });
});

test('our bars have the name of the package', (t) => {
  const names = questions.flatMap((question) =>
    plotsOf(
      question,
      samplesOf(question, () => 1),
    )
      .filter(({ best }) => best !== undefined)
      .flatMap(({ categories }) => categories),
  );
  t.true(names.includes('ioloop protocol') && names.includes('ioloop streams'));
  for (const name of names) {
    t.false(/^(protocol|streams|handlers|proxy|redis|Deadline)/.test(name), name);
  }
});

function hasCases(name: string): boolean {
  return questions.some((question) => question.name === name && question.cases.length > 0);
}

/** A run of each peer, in which every value is that of the peer. */
function samplesOf({ cases }: Question, value: (peer: string) => number): Samples {
  return new Map(
    cases.map(({ key, peers }) => [
      key,
      new Map(peers.map((peer) => [peer, [sample(value(peer))]])),
    ]),
  );
}

function sample(value: number): Record<string, number> {
  return new Proxy<Record<string, number>>({}, { get: () => value });
}

function labelled(against: readonly string[] | Record<string, string | Part>): [string, Part][] {
  const entries: [string, string | Part][] = Array.isArray(against)
    ? against.map((peer: string) => [peer, peer])
    : Object.entries(against as Record<string, string | Part>);
  return entries.map(([label, part]) => [label, typeof part === 'string' ? { peer: part } : part]);
}

function hasPeer({ cases }: Question, of: string, peer: string): boolean {
  return cases.some(({ key, peers }) => key === of && peers.includes(peer));
}
