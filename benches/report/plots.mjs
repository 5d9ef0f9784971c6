// Plots as SVG, by ECharts. The colours are legible on white and on black; no background. Bars are
// sorted, the best first, and ours stand out.
import { init } from 'echarts';

/**
 * `best` says which bars come first.
 * @typedef {{
 *   id: string, title: string, kind: 'bar' | 'line', unit: string, axis?: string,
 *   logarithmic?: boolean, best?: 'least' | 'most',
 * }} Look
 */
/**
 * @typedef {Look & {
 *   categories: readonly string[],
 *   series: readonly { name: string, data: readonly number[] }[],
 * }} Plot
 */

const INK = '#808080';
const FAINT = '#80808055';
const COLOURS = [
  '#1f8fd6',
  '#e0782f',
  '#3aa655',
  '#c0504d',
  '#8a6fd1',
  '#b59d2a',
  '#2aa9a9',
  '#d1629b',
];

/** Of each series of bars: ours, and the others. */
const OURS = ['#e0782f', '#f0b58c'];
const OTHERS = ['#7f93a8', '#b9c5d1'];

/** @param {Plot} plot @returns {string} */
export function svg(plot) {
  const perBar = 12 + 18 * plot.series.length;
  const height = plot.kind === 'bar' ? 130 + perBar * plot.categories.length : 440;
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: 860, height });
  chart.setOption(plot.kind === 'bar' ? bars(plot) : lines(plot));
  const text = chart.renderToSVGString();
  chart.dispose();
  return text;
}

/** Horizontal bars, so that names stay legible. @param {Plot} plot @returns {import('echarts').EChartsOption} */
function bars(plot) {
  const { title, unit, categories, series } = sorted(plot);
  const ours = categories.map((category) => isOurs(category));
  return {
    ...common(`${title}, ${unit}`, series.length > 1),
    color: OTHERS,
    grid: { left: 180, right: 80, top: series.length > 1 ? 80 : 50, bottom: 40 },
    xAxis: { type: 'value', ...axis() },
    yAxis: { type: 'category', data: [...categories], inverse: true, ...axis() },
    series: series.map(({ name, data }, at) => ({
      name,
      type: 'bar',
      label: { show: true, position: 'right', color: INK },
      data: data.map((value, category) => ({
        value: Number.isNaN(value) ? '-' : rounded(value),
        itemStyle: { color: (ours[category] ? OURS : OTHERS)[at % OTHERS.length] },
        label: { formatter: rounded(value).toLocaleString('en-US') },
      })),
    })),
  };
}

/** The best of the first series comes first. @param {Plot} plot @returns {Plot} */
export function sorted(plot) {
  const [first] = plot.series;
  const sign = plot.best === 'most' ? -1 : 1;
  const value = (/** @type {number} */ at) => sign * (first?.data[at] ?? Number.NaN);
  const order = plot.categories.map((_, at) => at);
  // NaN, a category without this series, comes last.
  order.sort((a, b) =>
    Number.isNaN(value(a)) ? 1 : Number.isNaN(value(b)) ? -1 : value(a) - value(b),
  );
  const pick = (/** @type {readonly any[]} */ list) => order.map((at) => list[at]);
  return {
    ...plot,
    categories: pick(plot.categories),
    series: plot.series.map(({ name, data }) => ({ name, data: pick(data) })),
  };
}

/** @param {string} category */
function isOurs(category) {
  return category.startsWith('ioloop');
}

/** @param {Plot} plot @returns {import('echarts').EChartsOption} */
function lines({ title, unit, axis: below, categories, series, logarithmic = false }) {
  return {
    ...common(title, true),
    grid: { left: 90, right: 40, top: 110, bottom: 60 },
    xAxis: {
      type: 'category',
      name: below ?? '',
      nameLocation: 'middle',
      nameGap: 32,
      data: [...categories],
      ...axis(),
    },
    yAxis: { type: logarithmic ? 'log' : 'value', name: unit, ...axis() },
    series: series.map(({ name, data }) => ({
      name,
      type: 'line',
      data: data.map((value) => (Number.isNaN(value) ? '-' : rounded(value))),
    })),
  };
}

/** @param {string} title @param {boolean} hasLegend @returns {import('echarts').EChartsOption} */
function common(title, hasLegend) {
  return {
    animation: false,
    color: COLOURS,
    textStyle: { color: INK, fontFamily: 'sans-serif' },
    title: { text: title, left: 10, textStyle: { color: INK, fontSize: 15, fontWeight: 'normal' } },
    legend: {
      show: hasLegend,
      top: 38,
      left: 10,
      right: 10,
      itemGap: 24,
      textStyle: { color: INK },
    },
  };
}

function axis() {
  return {
    nameTextStyle: { color: INK },
    axisLabel: { color: INK },
    axisLine: { lineStyle: { color: INK } },
    splitLine: { lineStyle: { color: FAINT } },
  };
}

/** @param {number} value */
function rounded(value) {
  return Number(value.toPrecision(3));
}
