/** Where this code is. */
import { pathToFileURL } from 'node:url';

/** The URL of the file: all of the package are in one folder. A bundle of CommonJS has a name only. */
export const OWN_URL: string = import.meta.url ?? pathToFileURL(__filename).href;
