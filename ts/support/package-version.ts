/** The version of this package. */

declare const IOLOOP_PACKAGE_VERSION: string;

/** `version` of `package.json`, which the build puts here. */
export const PACKAGE_VERSION: string = IOLOOP_PACKAGE_VERSION;
