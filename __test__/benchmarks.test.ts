// The questions of the benchmarks are data. A row or plot of samples that no case gives would be
// left out of the report without notice.
import test from 'ava';

interface Cell {
  readonly of: string;
  readonly peer: string;
  readonly value: string;
}
type Part = Partial<Cell>;
interface Question {
  readonly name: string;
  readonly cases: readonly { readonly key: string; readonly peers: readonly string[] }[];
  readonly rows: readonly (Cell & {
    readonly name: string;
    readonly against?: readonly string[] | Record<string, string | Part>;
    readonly targets?: Record<string, unknown>;
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
  rowsOf(
    question: Question,
    samples: Samples,
  ): { readonly name: string; readonly ratio?: object }[];
  plotsOf(
    question: Question,
    samples: Samples,
  ): { readonly series: readonly { readonly data: readonly number[] }[] }[];
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
      const samples: Samples = new Map(
        question.cases.map(({ key, peers }) => [
          key,
          new Map(peers.map((peer) => [peer, [sample()]])),
        ]),
      );
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

/** A run in which every value is 1. */
function sample(): Record<string, number> {
  return new Proxy<Record<string, number>>({}, { get: () => 1 });
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
