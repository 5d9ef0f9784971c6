// The programs of users that the package is tried with, in exactly these versions. They are no
// dependencies of the repository: each project installs those that it needs.

/** By the name of the project. @type {Record<string, Record<string, string>>} */
export const tools = {
  plain: {},
  wasm: {},
  typescript: {
    typescript: '5.9.3',
    '@types/node': '20.19.43',
    '@opentelemetry/api': '1.9.1',
    'prom-client': '15.1.3',
  },
  vitest: { vitest: '4.1.12' },
  jest: { jest: '30.5.2', 'jest-environment-jsdom': '30.5.2' },
  esbuild: { esbuild: '0.28.2' },
  rollup: {
    rollup: '4.68.8',
    '@rollup/plugin-node-resolve': '16.0.3',
    '@rollup/plugin-commonjs': '29.0.3',
  },
  vite: { vite: '8.3.8' },
  webpack: { webpack: '5.113.0', 'webpack-cli': '7.3.1' },
  nft: { '@vercel/nft': '1.11.5' },
  publint: { publint: '0.3.25' },
  attw: { '@arethetypeswrong/cli': '0.18.5' },
};
