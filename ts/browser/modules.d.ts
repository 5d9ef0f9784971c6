// Modules without types of their own: their bundles have them.

/** What `npm run build:wasm` makes in `native/wasm32-wasip1`. */
declare module 'ioloop-wasm32-wasip1/browser.js' {
  export function instantiate(source: WebAssembly.Module): object;
}

declare module 'object-inspect' {
  export default function inspect(
    value: unknown,
    options?: { readonly depth?: number; readonly maxStringLength?: number },
  ): string;
}

/** As far as the loader uses it: the types of browsers are not loaded. */
declare namespace WebAssembly {
  interface Module {
    readonly isCompiled: unique symbol;
  }
  function compile(bytes: ArrayBuffer): Promise<Module>;
}
