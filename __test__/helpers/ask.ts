/** Clients of servers in other threads and processes. */
import { connect, type Socket } from 'node:net';

/** The answer to one line, or the code of an error. */
export async function ask(port: number, line: string): Promise<string> {
  let answer = '';
  try {
    for await (const chunk of send(port, line)) answer += String(chunk);
  } catch (error) {
    return String((error as { code?: unknown }).code);
  }
  return answer.trim();
}

/** A connection that has sent one line. */
export function send(port: number, line: string): Socket {
  const client = connect({ port, host: '127.0.0.1' });
  client.write(`${line}\n`);
  return client;
}

/** Asks until `accepts` takes an answer, which is returned. */
export async function askUntil(
  port: number,
  line: string,
  accepts: (answer: string) => boolean,
): Promise<string> {
  for (;;) {
    const answer = await ask(port, line);
    if (accepts(answer)) return answer;
  }
}
