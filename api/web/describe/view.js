// Way 1: describe a task, and have an answer at once.

import { h } from "../dom.js";

export async function show({ main }) {
  main.append(h("h1", null, "Describe a task"));
}
