// How a test talks with these programs: a command a line on stdin, an answer a line on stdout, both JSON.

import { createInterface } from 'node:readline';

/**
 * Does what is asked until stdin ends, which it also does when the test is killed; commands may overlap.
 *
 * @param commands functions by name. Each takes one object; what it returns is the answer.
 */
export async function serve(commands) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, command, input } = JSON.parse(line);
    // The id comes first: the test looks for the line that begins with it.
    const reply = (answer) => console.log(JSON.stringify({ id, ...answer }));
    new Promise((resolve) => resolve(commands[command](input))).then(
      (value) => reply({ value: value ?? null }),
      (error) => reply({ error: error.message }),
    );
  }
}
