/** The types of the binary, which are generated from `crates/ioloop-napi`. */
import type * as binding from '../../native/binding.js';

/** The functions of the binary. */
export type Binding = typeof binding;
