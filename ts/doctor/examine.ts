/** The examination of `npx ioloop doctor`. Works if the binary cannot be loaded, and says why. */
import {
  describeHost,
  describeRuntime,
  isListedNode,
  NODE_VERSIONS,
  thisHost,
} from '../boundary/host.js';
import { PACKAGE_VERSION } from '../support/package-version.js';
import { finding, ok, type Finding } from './finding.js';
import { limits } from './limits.js';

/** All findings, the most important first. */
export async function examine(): Promise<Finding[]> {
  return [
    ok('package', `ioloop ${PACKAGE_VERSION}`),
    ok('system', describeHost(thisHost())),
    runtime(),
    ...(await loop()),
    ...limits(),
  ];
}

function runtime(): Finding {
  const { node, bun, deno } = process.versions as Partial<Record<string, string>>;
  const name = describeRuntime();
  if (bun !== undefined || deno !== undefined || isListedNode(node ?? ''))
    return ok('runtime', name);
  return finding('warning', 'runtime', name, `Not tested: use Node.js ${NODE_VERSIONS}`);
}

async function loop(): Promise<Finding[]> {
  try {
    // Not above: an import that fails is a finding.
    const { ofBinary } = await import('./binary.js');
    return await ofBinary();
  } catch (error) {
    return [finding('error', 'binary', 'not loaded', (error as Error).message)];
  }
}
