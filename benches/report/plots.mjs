// Plots as SVG, by ECharts. The colours are legible on white and on black; no background.
import { init } from 'echarts';

/**
 * @typedef {{
 *   id: string, title: string, kind: 'bar' | 'line', unit: string, axis?: string,
 *   logarithmic?: boolean, stacked?: boolean,
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

/** @param {Plot} plot @returns {string} */
export function svg(plot) {
  const perBar = plot.stacked === false ? 48 : 34;
  const height = plot.kind === 'bar' ? 120 + perBar * plot.categories.length : 440;
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: 860, height });
  chart.setOption(plot.kind === 'bar' ? bars(plot) : lines(plot));
  const text = chart.renderToSVGString();
  chart.dispose();
  return text;
}

/** Horizontal bars, so that names stay legible. @param {Plot} plot @returns {import('echarts').EChartsOption} */
function bars({ title, unit, categories, series, stacked = true }) {
  return {
    ...common(title, series.length > 1),
    grid: { left: 150, right: 40, top: 80, bottom: 50 },
    xAxis: { type: 'value', name: unit, nameLocation: 'middle', nameGap: 28, ...axis() },
    yAxis: { type: 'category', data: [...categories], inverse: true, ...axis() },
    series: series.map(({ name, data }) => ({
      name,
      type: 'bar',
      ...(stacked ? { stack: 'all' } : {}),
      data: data.map(rounded),
    })),
  };
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
