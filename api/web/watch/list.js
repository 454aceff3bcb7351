// The list of calibrations and answers.

import { h } from "../dom.js";

export async function show({ main }) {
  main.append(h("h1", null, "Calibrations and answers"));
}
